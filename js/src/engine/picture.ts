// From runs to the payload that the view draws: `saewidgets/runs/heatmap.py` in the page.
import type { Edit } from "../model";
import type { ChosenFeature, Control, HeatmapPayload, Predictions, SiteView, Sparse } from "../payloads";
import type { Dictionary } from "./dictionary";
import { check, featureOf, type Step } from "./edits";
import type { Engine } from "./read";
import { activation, divergence, logProbabilities, type Run, record, type Seen } from "./run";
import { codeOf, multipleOf, type Shown, wordsOf } from "./said";
import { greatest, row } from "./tensors";
import { tokensOf, wordOf } from "./text";

const N_STRONGEST = 8;
const N_LIKELY = 8;
// Up to this length there are predictions at every token.
const FULL_TOKENS = 128;

/** What a heatmap should show. */
export interface Request extends Shown {
  edits: readonly Edit[];
  positions: readonly number[];
  seed: number;
}

/** Runs that answer a request. */
export interface Answer {
  request: Request;
  steps: Step[];
  base: Run;
  edited: Run | null;
  positions: Uint32Array;
  /** `[P, K]` ids of the predictions. */
  words: number[][];
}

/** Runs what a request asks for. `base` is taken from `previous` where the text is the same. */
export function answer(engine: Engine, request: Request, previous: Run | null): Answer {
  const { model, tokenizer, dictionaries } = engine;
  const ids = tokenizer.encode(request.prompt, model.context);
  for (const id of request.features) if (id) featureOf(dictionaries, id);
  const error = request.error_term === "kept" ? "keep" : "drop";
  const steps = check(
    dictionaries,
    request.edits.map((edit) => ({ ...edit, error })),
    ids.length,
  );
  const same = previous?.ids.length === ids.length && previous.ids.every((id, t) => id === ids[t]);
  const base = same ? (previous as Run) : record(model, dictionaries, ids, []);
  const edited = steps.length ? record(model, dictionaries, ids, steps) : null;
  const positions = positionsOf(ids.length, request);
  const words = Array.from(positions, (t) => {
    if (!edited) return greatest(row(base.logits, t), N_LIKELY);
    const [p, q] = [logProbabilities(base, t), logProbabilities(edited, t)];
    return greatest(
      p.map((value, i) => Math.max(value, q[i] as number)),
      N_LIKELY,
    );
  });
  return { request, steps, base, edited, positions, words };
}

function positionsOf(tokens: number, { selection, positions }: Request): Uint32Array {
  if (tokens <= FULL_TOKENS) return Uint32Array.from({ length: tokens }, (_, t) => t);
  const asked = positions.slice(0, 64).filter((t) => t < tokens);
  const chosen = selection >= 0 && selection < tokens ? selection : tokens - 1;
  return Uint32Array.from([...new Set([chosen, tokens - 1, ...asked])].sort((a, b) => a - b));
}

/** The payload of an answer. `milliseconds` is how long it took. */
export function payloadOf(engine: Engine, made: Answer, control: Control | null, milliseconds: number): HeatmapPayload {
  const { request, base, edited, steps } = made;
  const tokens = base.ids.length;
  const features = request.features.flatMap((id, slot) => (id ? [chosen(engine, made, id, slot)] : []));
  const sites = engine.dictionaries.map((d) => siteOf(d, made));
  const site = sites.find(({ key }) => key === request.site)?.key ?? sites[0]?.key ?? "";
  const known = ["error", "surprise", ...features.map(({ id }) => id)];
  const fill = known.includes(request.fill) ? request.fill : (features[0]?.id ?? "error");
  const selection = request.selection >= 0 && request.selection < tokens ? request.selection : tokens - 1;
  return {
    prompt: request.prompt,
    tokens: tokensOf(engine.tokenizer.data, base.ids),
    sites,
    site,
    features,
    fill,
    selection,
    surprise: base.surprise,
    surprise_after: edited?.surprise ?? null,
    predictions: predictionsOf(engine, made),
    control,
    n_edits: steps.length,
    labels: labelsOf(engine, sites, features),
    context: {
      model: engine.name,
      dictionaries: engine.dictionaries.find(({ key }) => key === site)?.words ?? "",
      error: request.error_term,
      propagation: "free",
      seed: request.seed,
      milliseconds,
      version: engine.version,
      code: codeOf({ ...request, site, fill, selection }),
    },
  } as HeatmapPayload;
}

function chosen(engine: Engine, { base, edited, request }: Answer, id: string, slot: number): ChosenFeature {
  const { dictionary, index } = featureOf(engine.dictionaries, id);
  const of = (run: Run) => activation(run.seen.get(dictionary.key) as Seen, index);
  const values = of(base);
  const after = edited ? of(edited) : null;
  // Position 0 attends to nothing and is often huge: it does not set the scale.
  const shown = [values, ...(after ? [after] : [])].map((all) => (all.length > 1 ? all.subarray(1) : all));
  const maximum = shown.reduce((most, all) => all.reduce((a, b) => Math.max(a, Math.abs(b)), most), 0);
  const mine = request.edits.filter(({ feature }) => feature === id);
  return {
    id,
    label: engine.labels.get(id) ?? "",
    slot,
    maximum,
    values,
    after,
    edit: mine.map(wordsOf).join(", "),
    scale: mine.length === 0 ? 1 : mine.length === 1 ? multipleOf(mine[0] as Edit) : null,
  };
}

/** The strongest features at the given positions; no entries elsewhere. */
function strongest(seen: Seen, positions: Uint32Array): Sparse {
  const wanted = new Set(positions);
  const [starts, index, value]: [number[], number[], number[]] = [[0], [], []];
  seen.index.forEach((active, t) => {
    if (wanted.has(t)) {
      const values = seen.value[t] as number[];
      const order = [...active.keys()].sort((a, b) => Math.abs(values[b] as number) - Math.abs(values[a] as number));
      for (const at of order.slice(0, N_STRONGEST)) {
        index.push(active[at] as number);
        value.push(values[at] as number);
      }
    }
    starts.push(index.length);
  });
  return { indptr: Uint32Array.from(starts), index: Uint32Array.from(index), value: Float32Array.from(value) };
}

function siteOf(d: Dictionary, { base, edited, positions }: Answer): SiteView {
  const parts = (run: Run) => {
    const seen = run.seen.get(d.key) as Seen;
    return {
      strongest: strongest(seen, positions),
      active: Uint32Array.from(seen.index, (active) => active.length),
      error: seen.error.map((error, t) => error / Math.max(1e-12, seen.size[t] as number)),
    };
  };
  const after = edited && parts(edited);
  return {
    key: d.key,
    architecture: d.architecture,
    width: d.encoder.rows,
    ...parts(base),
    strongest_after: after?.strongest ?? null,
    active_after: after?.active ?? null,
    error_after: after?.error ?? null,
  };
}

function predictionsOf(engine: Engine, { base, edited, positions, words }: Answer): Predictions {
  const distinct = [...new Set(words.flat())].sort((a, b) => a - b);
  const place = new Map(distinct.map((id, at) => [id, at]));
  const shape = { rows: positions.length, columns: words[0]?.length ?? 0 };
  const share = (run: Run) => ({
    data: Float32Array.from(
      words.flatMap((ids, p) => {
        const t = positions[p] as number;
        const logits = row(run.logits, t);
        return ids.map((id) => Math.exp((logits[id] as number) - (run.normalizer[t] as number)));
      }),
    ),
    ...shape,
  });
  const kl =
    edited && Float32Array.from(positions, (t) => divergence(logProbabilities(base, t), logProbabilities(edited, t)));
  return {
    positions,
    vocabulary: distinct.map((id) => wordOf(engine.tokenizer.data, id)),
    token: { data: Uint32Array.from(words.flat(), (id) => place.get(id) as number), ...shape },
    before: share(base),
    after: edited && share(edited),
    kl,
  };
}

function labelsOf(
  engine: Engine,
  sites: readonly SiteView[],
  features: readonly ChosenFeature[],
): HeatmapPayload["labels"] {
  const mentioned = new Set(features.map(({ id }) => id));
  for (const { key, strongest, strongest_after } of sites) {
    for (const sparse of [strongest, strongest_after])
      for (const index of sparse?.index ?? []) mentioned.add(`${key}/${index}`);
  }
  return [...mentioned].sort().flatMap((id) => {
    const label = engine.labels.get(id);
    return label ? [{ id, label }] : [];
  });
}
