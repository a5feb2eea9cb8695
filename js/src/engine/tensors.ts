// Matrices of 32-bit floats, and the few things that a transformer does with them. Sums are made in 64 bits.
import type { Matrix } from "../payloads";

export type Tensor = Matrix<Float32Array>;

export const zeros = (rows: number, columns: number): Tensor => ({
  data: new Float32Array(rows * columns),
  rows,
  columns,
});

export const copy = (x: Tensor): Tensor => ({ ...x, data: x.data.slice() });

export const row = (x: Tensor, t: number): Float32Array => x.data.subarray(t * x.columns, (t + 1) * x.columns);

/** `x` `[T, in]` times the transpose of `w` `[out, in]`: `[T, out]`. */
export function project(x: Tensor, w: Tensor): Tensor {
  const { rows, columns: n } = x;
  const result = zeros(rows, w.rows);
  const [from, by, to, out, last] = [x.data, w.data, result.data, w.rows, rows - 1];
  // Four rows share each two weights that are read; the last blocks repeat their last row, so that there is no rest.
  for (let t = 0; t < rows; t += 4) {
    const [t1, t2, t3] = [Math.min(t + 1, last), Math.min(t + 2, last), Math.min(t + 3, last)];
    const [a, b, c, d] = [t * n, t1 * n, t2 * n, t3 * n];
    for (let o = 0; o < out; o += 2) {
      const o1 = Math.min(o + 1, out - 1);
      const [u, v] = [o * n, o1 * n];
      let [ua, ub, uc, ud, va, vb, vc, vd] = [0, 0, 0, 0, 0, 0, 0, 0];
      for (let i = 0; i < n; i++) {
        const x = by[u + i] as number;
        const y = by[v + i] as number;
        const p = from[a + i] as number;
        const q = from[b + i] as number;
        const r = from[c + i] as number;
        const s = from[d + i] as number;
        ua += x * p;
        ub += x * q;
        uc += x * r;
        ud += x * s;
        va += y * p;
        vb += y * q;
        vc += y * r;
        vd += y * s;
      }
      to[t * out + o] = ua;
      to[t1 * out + o] = ub;
      to[t2 * out + o] = uc;
      to[t3 * out + o] = ud;
      to[t * out + o1] = va;
      to[t1 * out + o1] = vb;
      to[t2 * out + o1] = vc;
      to[t3 * out + o1] = vd;
    }
  }
  return result;
}

export function add(x: Tensor, y: Tensor): Tensor {
  const result = copy(x);
  for (let i = 0; i < result.data.length; i++) (result.data[i] as number) += y.data[i] as number;
  return result;
}

export function norm(x: Float32Array): number {
  let sum = 0;
  for (const value of x) sum += value * value;
  return Math.sqrt(sum);
}

/** Each row divided by its root mean square, times `weight` (Zhang & Sennrich 2019). */
export function rootNorm(x: Tensor, weight: Float32Array, eps: number): Tensor {
  const result = copy(x);
  for (let t = 0; t < x.rows; t++) {
    const values = row(result, t);
    const scale = 1 / Math.sqrt(norm(values) ** 2 / x.columns + eps);
    for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) * scale * (weight[i] as number);
  }
  return result;
}

/** log of the sum of exponentials. */
export function logSumExp(values: Float32Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of values) if (value > most) most = value;
  let sum = 0;
  for (const value of values) sum += Math.exp(value - most);
  return most + Math.log(sum);
}

/** Indices of the `k` greatest values, greatest first. */
export function greatest(values: ArrayLike<number>, k: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (found.length === k && value <= (values[found[k - 1] as number] as number)) continue;
    let at = Math.min(found.length, k - 1);
    while (at > 0 && (values[found[at - 1] as number] as number) < value) {
      found[at] = found[at - 1] as number;
      at--;
    }
    found[at] = i;
  }
  return found;
}
