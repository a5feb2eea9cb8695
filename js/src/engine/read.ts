// The data that a page carries -> model, tokenizer and dictionaries. Nothing is read before its place was checked.
import type { Edit } from "../model";
import * as words from "../words/engine";
import type { Dictionary } from "./dictionary";
import type { Layer, Llama } from "./llama";
import { Refusal } from "./refusal";
import type { Tensor } from "./tensors";
import { Tokenizer, type TokenizerData } from "./tokenizer";

/** What the view shows first. */
export interface First {
  prompt: string;
  features: string[];
  edits: Edit[];
  error_term: "kept" | "dropped";
  seed: number;
}

/** What `saewidgets/runs/carry.py` writes. */
export interface Header {
  name: string;
  version: string;
  model: { layers: number; heads: number; groups: number; width: number; eps: number; context: number };
  tokenizer: TokenizerData;
  dictionaries: (Pick<Dictionary, "key" | "site_in" | "site_out" | "architecture" | "words"> &
    Pick<Dictionary, "activation" | "norm">)[];
  labels: Record<string, string>;
  request: First;
  tensors: { name: string; dtype: string; shape: number[]; offset: number }[];
}

export interface Engine {
  name: string;
  version: string;
  model: Llama;
  tokenizer: Tokenizer;
  dictionaries: Dictionary[];
  labels: ReadonlyMap<string, string>;
  first: First;
}

/** Everything in `data` and `weights`. */
export function read(data: Header, weights: Uint8Array): Engine {
  const tensors = new Map(data.tensors.map((entry) => [entry.name, tensor(entry, weights)]));
  const find = (name: string): Tensor => {
    const found = tensors.get(name);
    if (!found) throw new Refusal(words.weightsMissing(name), words.exportAgain);
    return found;
  };
  const vector = (name: string): Float32Array => find(name).data;
  const maybe = (name: string): Float32Array | null => tensors.get(name)?.data ?? null;
  const { layers, ...sizes } = data.model;
  return {
    name: data.name,
    version: data.version,
    model: {
      ...sizes,
      embed: find("embed"),
      head: tensors.get("head") ?? find("embed"),
      norm: vector("norm"),
      frequencies: vector("frequencies"),
      layers: Array.from({ length: layers }, (_, n) => layer(n, find)),
    },
    tokenizer: new Tokenizer(data.tokenizer),
    dictionaries: data.dictionaries.map((entry, n) => ({
      ...entry,
      encoder: find(`${n}.encoder`),
      decoder: find(`${n}.decoder`),
      b_enc: vector(`${n}.b_enc`),
      b_dec: vector(`${n}.b_dec`),
      b_in: maybe(`${n}.b_in`),
      gate_scale: maybe(`${n}.gate_scale`),
      value_scale: maybe(`${n}.value_scale`),
      row_scale: maybe(`${n}.row_scale`),
      threshold: maybe(`${n}.threshold`),
      skip: tensors.get(`${n}.skip`) ?? null,
    })),
    labels: new Map(Object.entries(data.labels)),
    first: data.request,
  };
}

function layer(n: number, find: (name: string) => Tensor): Layer {
  const of = (name: string) => find(`layer${n}.${name}`);
  return {
    q_proj: of("q_proj"),
    k_proj: of("k_proj"),
    v_proj: of("v_proj"),
    o_proj: of("o_proj"),
    gate_proj: of("gate_proj"),
    up_proj: of("up_proj"),
    down_proj: of("down_proj"),
    input_layernorm: of("input_layernorm").data,
    post_attention_layernorm: of("post_attention_layernorm").data,
  };
}

function tensor({ name, dtype, shape, offset }: Header["tensors"][number], weights: Uint8Array): Tensor {
  const [first = 0, second] = shape;
  const [rows, columns] = second === undefined ? [1, first] : [first, second];
  const length = rows * columns;
  const size = dtype === "float16" ? 2 : 4;
  if (offset % 8 || offset + length * size > weights.byteLength) {
    throw new Refusal(words.weightsOutside(name), words.exportAgain);
  }
  const at = weights.byteOffset + offset;
  const data =
    size === 4 ? new Float32Array(weights.buffer, at, length) : widened(new Uint16Array(weights.buffer, at, length));
  return { data: data as Float32Array, rows, columns };
}

let table: Float32Array | undefined;

/** Floats of 16 bits as floats of 32. */
function widened(halves: Uint16Array): Float32Array {
  table ??= Float32Array.from({ length: 1 << 16 }, (_, bits) => {
    const sign = bits >> 15 ? -1 : 1;
    const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
    return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -24 * fraction;
  });
  const result = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) result[i] = table[halves[i] as number] as number;
  return result;
}
