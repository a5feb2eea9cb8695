// A sparse autoencoder or transcoder with its conventions explicit: `FeedForward` in the page.
import { greatest, norm, project, row, type Tensor, zeros } from "./tensors";

export interface Dictionary {
  key: string;
  site_in: string;
  site_out: string;
  architecture: string;
  /** What the foot says of it. */
  words: string;
  activation: { kind: string; k: number | null; rectify: boolean };
  norm: { kind: string; factor: number; eps: number };
  /** `[features, d_in]` and `[features, d_out]`. */
  encoder: Tensor;
  decoder: Tensor;
  b_enc: Float32Array;
  b_dec: Float32Array;
  b_in: Float32Array | null;
  gate_scale: Float32Array | null;
  value_scale: Float32Array | null;
  row_scale: Float32Array | null;
  threshold: Float32Array | null;
  /** `[d_out, d_in]` of a skip transcoder. */
  skip: Tensor | null;
}

/** Activations `[T, features]` of `[T, d_in]`. */
export function encode(d: Dictionary, x: Tensor): Tensor {
  const pre = project(centred(d, x), d.encoder);
  for (let t = 0; t < pre.rows; t++) {
    const values = row(pre, t);
    for (let i = 0; i < values.length; i++) (values[i] as number) += d.b_enc[i] as number;
  }
  const features = select(d, pre);
  const gain = d.value_scale;
  if (!gain) return features;
  for (let t = 0; t < features.rows; t++) {
    const values = row(features, t);
    for (let i = 0; i < values.length; i++) (values[i] as number) *= gain[i] as number;
  }
  return features;
}

function centred(d: Dictionary, x: Tensor): Tensor {
  const result = zeros(x.rows, x.columns);
  for (let t = 0; t < x.rows; t++) {
    const values = row(result, t);
    values.set(row(x, t));
    const by = d.norm.kind === "factor" ? d.norm.factor : 1 / (scaleAt(d, values) + (isLayer(d) ? d.norm.eps : 0));
    const middle = shiftAt(d, values);
    for (let i = 0; i < values.length; i++)
      values[i] = Math.fround(((values[i] as number) - middle) * by) - (d.b_in?.[i] ?? 0);
  }
  return result;
}

const isLayer = (d: Dictionary): boolean => d.norm.kind === "layer_norm";
const isPerToken = (d: Dictionary): boolean => isLayer(d) || d.norm.kind === "token_norm";

const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** What is added to undo a norm of each token. */
const shiftAt = (d: Dictionary, x: Float32Array): number => (isLayer(d) ? mean(x) : 0);

/** What a decoded value is multiplied by to undo a norm of each token. */
export function scaleAt(d: Dictionary, x: Float32Array): number {
  if (d.norm.kind === "token_norm") return norm(x) / Math.sqrt(x.length);
  if (!isLayer(d)) return 1;
  const middle = mean(x);
  return Math.sqrt(x.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (x.length - 1));
}

/** The sparse nonlinearity: zero where a feature is not active. */
function select(d: Dictionary, pre: Tensor): Tensor {
  const { kind, k, rectify } = d.activation;
  const gate = d.gate_scale;
  const gated = (values: ArrayLike<number>, i: number): number =>
    (values[i] as number) * (gate ? (gate[i % pre.columns] as number) : 1);
  if (kind === "identity") return pre;
  const result = zeros(pre.rows, pre.columns);
  const keep = (at: number, signed: boolean) => {
    const value = pre.data[at] as number;
    result.data[at] = signed ? value : Math.max(0, value);
  };
  if (kind === "relu" || kind === "jumprelu" || kind === "prolu") {
    for (let i = 0; i < pre.data.length; i++) {
      const least = kind === "relu" ? Number.NEGATIVE_INFINITY : (d.threshold?.[i % pre.columns] ?? 0);
      if (gated(pre.data, i) > least) keep(i, false);
    }
  } else if (kind === "batchtopk") {
    const all = Float64Array.from(pre.data, (_, i) => gated(pre.data, i));
    const order = Uint32Array.from(all.keys()).sort((a, b) => (all[b] as number) - (all[a] as number));
    for (const at of order.subarray(0, (k ?? 0) * pre.rows)) keep(at, false);
  } else {
    const signed = kind === "abstopk" || !rectify;
    for (let t = 0; t < pre.rows; t++) {
      const values = row(pre, t);
      const ranks = Float64Array.from(values, (_, i) => {
        const value = gated(values, i);
        return kind === "abstopk" ? Math.abs(value) : value;
      });
      for (const i of kind === "groupmax" ? bestOfGroups(ranks, k ?? 1) : greatest(ranks, k ?? 0))
        keep(t * pre.columns + i, signed);
    }
  }
  return result;
}

function bestOfGroups(ranks: Float64Array, groups: number): number[] {
  const size = ranks.length / groups;
  return Array.from({ length: groups }, (_, n) => {
    const [best = 0] = greatest(ranks.subarray(n * size, (n + 1) * size), 1);
    return n * size + best;
  });
}

/** Adds `value` times what feature `i` writes. */
export function addRow(d: Dictionary, to: Float32Array, i: number, value: number): void {
  const direction = row(d.decoder, i);
  const by = value * (d.row_scale?.[i] ?? 1);
  for (let j = 0; j < to.length; j++) (to[j] as number) += by * (direction[j] as number);
}

/** Norm of what one unit of feature `i` writes. */
export const lengthOf = (d: Dictionary, i: number): number => norm(row(d.decoder, i)) * Math.abs(d.row_scale?.[i] ?? 1);

/** `[T, d_out]` of activations `[T, features]` that were encoded from `x`. */
export function decode(d: Dictionary, features: Tensor, x: Tensor): Tensor {
  const result = d.skip ? project(x, d.skip) : zeros(x.rows, d.decoder.columns);
  const written = new Float32Array(d.decoder.columns);
  for (let t = 0; t < x.rows; t++) {
    written.set(d.b_dec);
    row(features, t).forEach((value, i) => {
      if (value !== 0) addRow(d, written, i, value);
    });
    const [by, shift] = isPerToken(d) ? [scaleAt(d, row(x, t)), shiftAt(d, row(x, t))] : [1, 0];
    const to = row(result, t);
    for (let j = 0; j < to.length; j++) (to[j] as number) += (written[j] as number) * by + shift;
  }
  return result;
}
