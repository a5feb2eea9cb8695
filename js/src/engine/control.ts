// The control of a causal claim, drawn and run as `saewidgets/runs/control.py` does it.
import type { Control } from "../payloads";
import type { Dictionary } from "./dictionary";
import type { Step } from "./edits";
import type { Llama } from "./llama";
import { Generator } from "./random";
import { divergence, logProbabilities, type Run, sitesOf, trace, type Write, writesOf } from "./run";
import { copy, logSumExp, norm, row } from "./tensors";

/** Random features, and as many random directions. */
export const N_CONTROLS = 8;
const POOL = 20;

/** The same edits on random features of like density. */
function like(steps: readonly Step[], base: Run, draw: Generator): Step[] {
  const swapped = new Map<string, number>();
  const name = ({ dictionary, index }: Step) => `${dictionary.key}/${index}`;
  for (const step of steps) {
    if (swapped.has(name(step))) continue;
    const seen = base.seen.get(step.dictionary.key);
    const counts = new Uint32Array(step.dictionary.encoder.rows);
    for (const active of seen?.index ?? []) for (const i of active) (counts[i] as number)++;
    const target = counts[step.index] as number;
    const mine = steps.filter(({ dictionary }) => dictionary === step.dictionary);
    const used = new Set(mine.flatMap((other) => [other.index, swapped.get(name(other)) ?? other.index]));
    const far = (i: number) => Math.abs((counts[i] as number) - target);
    const free = [...counts.keys()].filter((i) => !used.has(i));
    const active = free.filter((i) => counts[i]).sort((a, b) => far(a) - far(b) || a - b);
    const near = active.slice(0, Math.max(POOL, 2 * steps.length));
    const pool = near.length ? near : free.slice(0, POOL);
    swapped.set(name(step), pool.length ? (pool[draw.below(pool.length)] as number) : step.index);
  }
  return steps.map((step) => ({ ...step, index: swapped.get(name(step)) as number }));
}

/** A write that moves each token by as much as another, in one random direction. */
function randomly(write: Write, seed: number): Write {
  return (value, values) => {
    const made = write(value, values);
    const direction = new Generator(seed).normal(value.columns);
    const length = norm(direction);
    const result = copy(value);
    for (let t = 0; t < value.rows; t++) {
      const [from, to, now] = [row(value, t), row(made, t), row(result, t)];
      const size = norm(from.map((x, i) => (to[i] as number) - x));
      for (let i = 0; i < now.length; i++) (now[i] as number) += (size * (direction[i] as number)) / length;
    }
    return result;
  };
}

/** The bands, one forward at a time: yields how many are done, and returns the control. */
export function* bands(
  model: Llama,
  dictionaries: readonly Dictionary[],
  base: Run,
  steps: readonly Step[],
  positions: Uint32Array,
  /** `[P, K]` token ids whose probabilities are banded. */
  words: readonly number[][],
  seed: number,
): globalThis.Generator<number, Control, undefined> {
  const draw = new Generator(seed);
  const real = writesOf(steps);
  const writes = Array.from({ length: N_CONTROLS }, () => writesOf(like(steps, base, draw)));
  for (let i = 0; i < N_CONTROLS; i++) {
    writes.push(new Map([...real].map(([site, write]) => [site, randomly(write, seed * N_CONTROLS + i)])));
  }
  const [rows, columns] = [positions.length, words[0]?.length ?? 0];
  const low = { data: new Float32Array(rows * columns).fill(1), rows, columns };
  const high = { data: new Float32Array(rows * columns), rows, columns };
  const spread = () => ({
    data: Float32Array.from({ length: 2 * rows }, (_, i) => (i % 2 ? 0 : Number.POSITIVE_INFINITY)),
    rows,
    columns: 2,
  });
  const [kl_features, kl_directions] = [spread(), spread()];
  const log_p = Array.from(positions, (t) => logProbabilities(base, t));
  const read = sitesOf(dictionaries);
  for (let n = 0; n < writes.length; n++) {
    yield n;
    const { logits } = trace(model, base.ids, read, writes[n] as Map<string, Write>);
    const kl = n < N_CONTROLS ? kl_features : kl_directions;
    positions.forEach((t, p) => {
      const values = row(logits, t);
      const normalizer = logSumExp(values);
      const log_q = Float64Array.from(values, (logit) => logit - normalizer);
      const change = divergence(log_p[p] as Float64Array, log_q);
      kl.data[2 * p] = Math.min(kl.data[2 * p] as number, change);
      kl.data[2 * p + 1] = Math.max(kl.data[2 * p + 1] as number, change);
      if (n >= N_CONTROLS) return;
      words[p]?.forEach((id, k) => {
        const at = p * columns + k;
        const probability = Math.exp(log_q[id] as number);
        low.data[at] = Math.min(low.data[at] as number, probability);
        high.data[at] = Math.max(high.data[at] as number, probability);
      });
    });
  }
  return { n: N_CONTROLS, seed, low, high, kl_features, kl_directions };
}
