// Payload -> bytes, the inverse of decode.ts: for pages that make pictures themselves.
import { crc32, type Kind } from "./decode";
import type { Fields, Matrix } from "./payloads";

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
export function encode<P>(payload: P, { name, fields }: Kind<P>): Uint8Array<ArrayBuffer> {
  const arrays: Numbers[] = [];
  const buffers: { dtype: string; shape: number[]; offset: number }[] = [];
  let size = 0;
  const place = (data: Numbers, shape: number[]) => {
    buffers.push({ dtype: TYPES.get(data.constructor.name) ?? "", shape, offset: size });
    size += padded(data.byteLength);
    return { $buffer: arrays.push(data) - 1 };
  };
  const record = (value: object, [fields, inner = {}]: Fields): unknown =>
    Object.fromEntries(
      fields.split(" ").map((entry) => {
        const [key, type] = entry.split(":") as [string, string];
        return [key, dump((value as Record<string, unknown>)[key], type.replace(/\?$/, ""), inner)];
      }),
    );
  const dump = (value: unknown, type: string, records: NonNullable<Fields[1]>): unknown => {
    if (value === null || value === undefined) return null;
    if (type.endsWith("[]")) return (value as unknown[]).map((item) => dump(item, type.slice(0, -2), records));
    const fields = records[type];
    if (fields) return record(value, fields);
    if (ArrayBuffer.isView(value)) return place(value as Numbers, [(value as Numbers).length]);
    if (type.endsWith("*2")) {
      const { data, rows, columns } = value as Matrix<Numbers>;
      return place(data, [rows, columns]);
    }
    return value;
  };
  const data = record(payload as object, fields);
  const text = new TextEncoder().encode(JSON.stringify({ kind: name, data, buffers }));
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
