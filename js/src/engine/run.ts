// One forward pass under edits, and what every dictionary makes of it: `record_run` in the page.
import { type Dictionary, decode, encode } from "./dictionary";
import { bySite, type Step, write } from "./edits";
import { forward, type Llama } from "./llama";
import { logSumExp, norm, row, type Tensor } from "./tensors";

/** The features of one dictionary that are not zero, by token. */
export interface Seen {
  index: number[][];
  value: number[][];
  width: number;
  /** `[T]` norm of the error and of what is reconstructed. */
  error: Float32Array;
  size: Float32Array;
}

export interface Run {
  ids: number[];
  logits: Tensor;
  /** `[T]` log-sum-exp: log p = logits - normalizer. */
  normalizer: Float64Array;
  surprise: Float32Array;
  seen: Map<string, Seen>;
}

/** Changes a value at a site; it may look at the sites before it. */
export type Write = (value: Tensor, values: ReadonlyMap<string, Tensor>) => Tensor;

interface Source {
  source: Tensor;
  target: Tensor;
  features: Tensor;
}

/** Writes of checked edits, one a site; `sources` is filled with what each dictionary saw. */
export function writesOf(steps: readonly Step[], sources = new Map<string, Source>()): Map<string, Write> {
  const writes = new Map<string, Write>();
  for (const [site, groups] of bySite(steps)) {
    writes.set(site, (value, values) => {
      let now = value;
      for (const group of groups) {
        const { key, site_in } = (group[0] as Step).dictionary;
        const source = site_in === site ? now : (values.get(site_in) as Tensor);
        const { features, value: made } = write(group, source, now);
        sources.set(key, { source, target: made, features });
        now = made;
      }
      return now;
    });
  }
  return writes;
}

/** Logits, and the values at some sites, under writes. */
export function trace(
  model: Llama,
  ids: readonly number[],
  read: ReadonlySet<string>,
  writes: ReadonlyMap<string, Write>,
): { logits: Tensor; values: Map<string, Tensor> } {
  const values = new Map<string, Tensor>();
  const logits = forward(model, ids, (site, value) => {
    const now = writes.get(site)?.(value, values) ?? value;
    if (read.has(site)) values.set(site, now);
    return now;
  });
  return { logits, values };
}

export const sitesOf = (dictionaries: readonly Dictionary[]): Set<string> =>
  new Set(dictionaries.flatMap(({ site_in, site_out }) => [site_in, site_out]));

/** Runs a prompt. */
export function record(model: Llama, dictionaries: readonly Dictionary[], ids: number[], steps: readonly Step[]): Run {
  const sources = new Map<string, Source>();
  const { logits, values } = trace(model, ids, sitesOf(dictionaries), writesOf(steps, sources));
  const seen = new Map(
    dictionaries.map((d) => {
      const source = values.get(d.site_in) as Tensor;
      const own = sources.get(d.key) ?? { source, target: values.get(d.site_out) as Tensor, features: null };
      return [d.key, look(d, own.source, own.target, own.features ?? encode(d, own.source))];
    }),
  );
  const normalizer = Float64Array.from({ length: ids.length }, (_, t) => logSumExp(row(logits, t)));
  const surprise = Float32Array.from(ids, (id, t) =>
    t ? (normalizer[t - 1] as number) - (row(logits, t - 1)[id] as number) : 0,
  );
  return { ids, logits, normalizer, surprise, seen };
}

function look(d: Dictionary, source: Tensor, target: Tensor, features: Tensor): Seen {
  const made = decode(d, features, source);
  for (let i = 0; i < made.data.length; i++) made.data[i] = (target.data[i] as number) - (made.data[i] as number);
  const tokens = Array.from({ length: source.rows }, (_, t) => row(features, t));
  const index = tokens.map((values) => [...values.keys()].filter((i) => values[i] !== 0));
  return {
    index,
    value: index.map((active, t) => active.map((i) => tokens[t]?.[i] as number)),
    width: features.columns,
    error: Float32Array.from(tokens, (_, t) => norm(row(made, t))),
    size: Float32Array.from(tokens, (_, t) => norm(row(target, t))),
  };
}

/** `[T]` activations of one feature. */
export function activation(seen: Seen, feature: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(seen.index, (active, t) => {
    const at = active.indexOf(feature);
    return at < 0 ? 0 : (seen.value[t]?.[at] as number);
  });
}

/** log p of the next token after a position. */
export const logProbabilities = (run: Run, t: number): Float64Array => {
  const base = run.normalizer[t] as number;
  return Float64Array.from(row(run.logits, t), (logit) => logit - base);
};

/** KL(p || q) of log probabilities, in nats, never below 0 by rounding. */
export function divergence(p: Float64Array, q: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < p.length; i++) sum += Math.exp(p[i] as number) * ((p[i] as number) - (q[i] as number));
  return Math.max(0, sum);
}
