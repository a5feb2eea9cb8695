// The forward pass of a Llama (Touvron et al. 2023), with a visitor at every site that may read and change what is there.
import { add, project, rootNorm, row, type Tensor, zeros } from "./tensors";

export interface Layer {
  q_proj: Tensor;
  k_proj: Tensor;
  v_proj: Tensor;
  o_proj: Tensor;
  gate_proj: Tensor;
  up_proj: Tensor;
  down_proj: Tensor;
  input_layernorm: Float32Array;
  post_attention_layernorm: Float32Array;
}

export interface Llama {
  embed: Tensor;
  head: Tensor;
  norm: Float32Array;
  layers: Layer[];
  heads: number;
  /** Heads of keys and values; each serves `heads / groups` heads of queries. */
  groups: number;
  /** Of one head. */
  width: number;
  eps: number;
  frequencies: Float32Array;
  /** Greatest number of tokens. */
  context: number;
}

/** Called with each site's name and value; what it returns goes on. */
export type Visit = (site: string, value: Tensor) => Tensor;

/** `[T, vocab]` logits. */
export function forward(model: Llama, ids: readonly number[], visit: Visit): Tensor {
  let x = zeros(ids.length, model.embed.columns);
  ids.forEach((id, t) => {
    row(x, t).set(row(model.embed, id));
  });
  x = visit("embed", x);
  const turns = rotations(model.frequencies, ids.length);
  model.layers.forEach((layer, n) => {
    x = visit(`resid_pre.${n}`, x);
    const z = attention(model, layer, rootNorm(x, layer.input_layernorm, model.eps), turns);
    const mixed = visit(`attn_out.${n}`, project(visit(`attn_z.${n}`, z), layer.o_proj));
    x = visit(`resid_mid.${n}`, add(x, mixed));
    const inner = visit(`mlp_in.${n}`, rootNorm(x, layer.post_attention_layernorm, model.eps));
    x = visit(`resid_post.${n}`, add(x, visit(`mlp_out.${n}`, feedForward(layer, inner))));
  });
  return project(visit("final", rootNorm(x, model.norm, model.eps)), model.head);
}

interface Turns {
  cos: Float32Array;
  sin: Float32Array;
  half: number;
}

/** Cosines and sines of rotary positions (Su et al. 2021), rounded where torch rounds. */
function rotations(frequencies: Float32Array, tokens: number): Turns {
  const half = frequencies.length;
  const [cos, sin] = [new Float32Array(tokens * half), new Float32Array(tokens * half)];
  for (let t = 0; t < tokens; t++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(t * (frequencies[i] as number));
      cos[t * half + i] = Math.cos(angle);
      sin[t * half + i] = Math.sin(angle);
    }
  }
  return { cos, sin, half };
}

/** Turns every head of every row in place. */
function rotate(x: Tensor, { cos, sin, half }: Turns): void {
  for (let t = 0; t < x.rows; t++) {
    const values = row(x, t);
    for (let head = 0; head < x.columns; head += 2 * half) {
      for (let i = 0; i < half; i++) {
        const [c, s] = [cos[t * half + i] as number, sin[t * half + i] as number];
        const [a, b] = [values[head + i] as number, values[head + half + i] as number];
        values[head + i] = a * c - b * s;
        values[head + half + i] = b * c + a * s;
      }
    }
  }
}

/** `[T, heads * width]`: what the heads read, before the output projection. */
function attention(model: Llama, layer: Layer, x: Tensor, turns: Turns): Tensor {
  const { heads, groups, width } = model;
  const [q, k, v] = [project(x, layer.q_proj), project(x, layer.k_proj), project(x, layer.v_proj)];
  rotate(q, turns);
  rotate(k, turns);
  const z = zeros(x.rows, heads * width);
  const weights = new Float64Array(x.rows);
  for (let head = 0; head < heads; head++) {
    const group = Math.floor((head * groups) / heads) * width;
    for (let t = 0; t < x.rows; t++) {
      const query = q.data.subarray(t * q.columns + head * width);
      let most = Number.NEGATIVE_INFINITY;
      for (let s = 0; s <= t; s++) {
        const key = s * k.columns + group;
        let sum = 0;
        for (let i = 0; i < width; i++) sum += (query[i] as number) * (k.data[key + i] as number);
        weights[s] = sum / Math.sqrt(width);
        most = Math.max(most, weights[s] as number);
      }
      let total = 0;
      for (let s = 0; s <= t; s++) total += weights[s] = Math.exp((weights[s] as number) - most);
      const to = z.data.subarray(t * z.columns + head * width, t * z.columns + (head + 1) * width);
      for (let s = 0; s <= t; s++) {
        const weight = (weights[s] as number) / total;
        const value = s * v.columns + group;
        for (let i = 0; i < width; i++) (to[i] as number) += weight * (v.data[value + i] as number);
      }
    }
  }
  return z;
}

/** SwiGLU (Shazeer 2020). */
function feedForward(layer: Layer, x: Tensor): Tensor {
  const [gate, up] = [project(x, layer.gate_proj), project(x, layer.up_proj)];
  for (let i = 0; i < gate.data.length; i++) {
    const value = gate.data[i] as number;
    gate.data[i] = (value / (1 + Math.exp(-value))) * (up.data[i] as number);
  }
  return project(gate, layer.down_proj);
}
