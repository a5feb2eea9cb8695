// Payload bytes made by hand, so that the decoder is not tested against itself.
import { crc32 } from "../src/decode";

export interface Array1 {
  dtype: string;
  shape: number[];
  data: ArrayBufferView;
}

/** The layout of `saewidgets.payloads.codec`. */
export function encode(data: unknown, arrays: Array1[], kind = "heatmap", version = 1): Uint8Array {
  let offset = 0;
  const buffers = arrays.map(({ dtype, shape, data }) => {
    const entry = { dtype, shape, offset };
    offset += Math.ceil(data.byteLength / 8) * 8;
    return entry;
  });
  let text = JSON.stringify({ kind, data, buffers });
  text += " ".repeat((8 - ((16 + new TextEncoder().encode(text).length) % 8)) % 8);
  const header = new TextEncoder().encode(text);
  const bytes = new Uint8Array(16 + header.length + offset);
  bytes.set(header, 16);
  arrays.forEach(({ data }, i) => {
    const at = 16 + header.length + (buffers[i]?.offset ?? 0);
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
  });
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("SAEW"));
  view.setUint32(4, version, true);
  view.setUint32(8, header.length, true);
  view.setUint32(12, crc32(bytes.subarray(16)), true);
  return bytes;
}

const f32 = (...values: number[]): Array1 => ({
  dtype: "float32",
  shape: [values.length],
  data: new Float32Array(values),
});
const u32 = (...values: number[]): Array1 => ({
  dtype: "uint32",
  shape: [values.length],
  data: new Uint32Array(values),
});
const u8 = (...values: number[]): Array1 => ({ dtype: "uint8", shape: [values.length], data: new Uint8Array(values) });

/** A heatmap of three tokens and one feature. */
export function small(change: (data: Record<string, unknown>) => void = () => {}): Uint8Array {
  const arrays: Array1[] = [];
  const add = (array: Array1) => ({ $buffer: arrays.push(array) - 1 });
  const matrix = (array: Array1) => add({ ...array, shape: [1, array.shape[0] ?? 0] });
  const data: Record<string, unknown> = {
    prompt: "Tom gave",
    tokens: { text: ["<bos>", "Tom", " gave"], ids: add(u32(0, 1, 2)), kind: add(u8(1, 0, 0)), pieces: [] },
    sites: [
      {
        key: "resid_post.2",
        architecture: "topk",
        width: 16,
        strongest: { indptr: add(u32(0, 0, 1, 3)), index: add(u32(4, 5, 4)), value: add(f32(2, 3, 1)) },
        active: add(u32(0, 1, 2)),
        error: add(f32(0, 0.1, 0.2)),
        strongest_after: null,
        active_after: null,
        error_after: null,
      },
    ],
    site: "resid_post.2",
    features: [
      {
        id: "resid_post.2/4",
        label: "a name",
        slot: 0,
        maximum: 4,
        values: add(f32(9, 2, 1)),
        after: null,
        edit: "",
        scale: 1,
      },
    ],
    fill: "resid_post.2/4",
    selection: 2,
    surprise: add(f32(0, 1, 2)),
    predictions: {
      positions: add(u32(2)),
      vocabulary: [" the", " a"],
      token: matrix(u32(0, 1)),
      before: matrix(f32(0.7, 0.1)),
      after: null,
      kl: null,
    },
    context: {
      model: "demo",
      dictionaries: "topk",
      error: "kept",
      propagation: "free",
      seed: 0,
      milliseconds: 3,
      version: "0",
      code: "sw.demo()",
    },
    surprise_after: null,
    control: null,
    n_edits: 0,
    labels: [{ id: "__proto__", label: "constructor" }],
  };
  change(data);
  return encode(data, arrays);
}

/** A seeded generator: the same bytes each run. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
