// Payload -> bytes, the inverse of decode.ts: for pages that make pictures themselves.
import { crc32 } from "./decode";
import { KINDS, type Matrix, type Payload, RECORDS } from "./payloads";

type Numbers = Uint8Array | Uint16Array | Uint32Array | Float32Array;
const TYPES: ReadonlyMap<string, string> = new Map([
  ["Uint8Array", "uint8"],
  ["Uint16Array", "uint16"],
  ["Uint32Array", "uint32"],
  ["Float32Array", "float32"],
]);
const HEAD = 16;
const padded = (size: number): number => Math.ceil(size / 8) * 8;

/** The bytes that `saewidgets.payloads.decode` and `decode` read. */
export function encode(payload: Payload, kind: string): Uint8Array<ArrayBuffer> {
  const arrays: Numbers[] = [];
  const buffers: { dtype: string; shape: number[]; offset: number }[] = [];
  let size = 0;
  const place = (data: Numbers, shape: number[]) => {
    buffers.push({ dtype: TYPES.get(data.constructor.name) ?? "", shape, offset: size });
    size += padded(data.byteLength);
    return { $buffer: arrays.push(data) - 1 };
  };
  const dump = (value: unknown, type: string): unknown => {
    if (value === null || value === undefined) return null;
    const inner = type.replace(/\?$/, "");
    if (inner.endsWith("[]")) return (value as unknown[]).map((item) => dump(item, inner.slice(0, -2)));
    const record = RECORDS.get(inner);
    if (record !== undefined) {
      const fields = record.split(" ").map((entry) => entry.split(":") as [string, string]);
      const from = value as Record<string, unknown>;
      return Object.fromEntries(fields.map(([name, type]) => [name, dump(from[name], type)]));
    }
    if (ArrayBuffer.isView(value)) return place(value as Numbers, [(value as Numbers).length]);
    if (inner.endsWith("*2")) {
      const { data, rows, columns } = value as Matrix<Numbers>;
      return place(data, [rows, columns]);
    }
    return value;
  };
  const data = dump(payload, KINDS.get(kind) ?? "");
  const text = new TextEncoder().encode(JSON.stringify({ kind, data, buffers }));
  const start = padded(HEAD + text.length);
  const bytes = new Uint8Array(start + size);
  bytes.fill(32, HEAD, start);
  bytes.set(text, HEAD);
  arrays.forEach((array, i) => {
    bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), start + (buffers[i]?.offset ?? 0));
  });
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x53414557);
  view.setUint32(4, 1, true);
  view.setUint32(8, start - HEAD, true);
  view.setUint32(12, crc32(bytes.subarray(HEAD)), true);
  return bytes;
}
