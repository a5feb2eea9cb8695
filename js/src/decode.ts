// Bytes -> payload. Nothing is read before its place was compared with the bytes that are there.
import type { Fields } from "./payloads";
import * as words from "./words/file";

const HEAD = 16;
const VERSION = 1;
const MAX_BUFFERS = 10_000;

type TypedArray = Uint8Array | Uint16Array | Uint32Array | Float32Array;
type Inner = NonNullable<Fields[1]>;
interface Buffer {
  dtype: string;
  shape: number[];
  data: TypedArray;
}

/** A kind of payload: its name in the bytes, its fields, and what its views rely on. */
export interface Kind<P> {
  name: string;
  fields: Fields;
  /** Throws a `PayloadError`. */
  check?(payload: P): void;
}

/** The bytes are not a payload, or a damaged one. */
export class PayloadError extends Error {
  override name = "PayloadError";
}

/** For a byte and for one with so many zeros behind it: eight bytes are taken at a time. */
const CRC = /* @__PURE__ */ [0, 1, 2, 3, 4, 5, 6, 7].map((zeros) =>
  Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8 * (zeros + 1); k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
  }),
) as [Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array];

/** CRC-32 as zlib computes it, of bytes that begin at a multiple of four in their buffer. */
export function crc32(bytes: Uint8Array): number {
  const [one, two, three, four, five, six, seven, eight] = CRC;
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, (bytes.length >> 3) << 1);
  let c = 0xffffffff;
  for (let i = 0; i < words.length; i += 2) {
    c ^= words[i] as number;
    const d = words[i + 1] as number;
    c =
      (eight[c & 255] as number) ^
      (seven[(c >>> 8) & 255] as number) ^
      (six[(c >>> 16) & 255] as number) ^
      (five[c >>> 24] as number) ^
      (four[d & 255] as number) ^
      (three[(d >>> 8) & 255] as number) ^
      (two[(d >>> 16) & 255] as number) ^
      (one[d >>> 24] as number);
  }
  for (let i = words.length << 2; i < bytes.length; i++)
    c = (one[(c ^ (bytes[i] as number)) & 255] as number) ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** The bytes of whatever a host hands over: Jupyter gives a DataView, marimo an array buffer. */
export function bytesOf(value: unknown): Uint8Array {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return new Uint8Array(0);
}

/** The payload of this kind in `raw`; throws a `PayloadError` and nothing else. */
export function decode<P>(raw: Uint8Array, { name, fields, check }: Kind<P>): P {
  // Typed arrays need aligned starts, and the host may reuse its buffer.
  const bytes = raw.slice();
  const view = new DataView(bytes.buffer);
  if (bytes.length < HEAD || view.getUint32(0) !== 0x53414557) throw new PayloadError(words.noPayload);
  const version = view.getUint32(4, true);
  if (version > VERSION) throw new PayloadError(words.newerFormat(version, VERSION));
  const start = HEAD + view.getUint32(8, true);
  if (start > bytes.length || crc32(bytes.subarray(HEAD)) !== view.getUint32(12, true)) {
    throw new PayloadError(words.damaged);
  }
  const header = parse(bytes.subarray(HEAD, start));
  if (field(header, "kind") !== name) throw new PayloadError(words.otherKind(name));
  const payload = record(field(header, "data"), fields, buffers(field(header, "buffers"), bytes, start), name) as P;
  check?.(payload);
  return payload;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new PayloadError(words.headerUnreadable);
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;

export const isSize = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;

function buffers(entries: unknown, bytes: Uint8Array, start: number): Buffer[] {
  if (!Array.isArray(entries) || entries.length > MAX_BUFFERS) throw new PayloadError(words.buffersMissing);
  return entries.map((entry) => buffer(entry, bytes, start));
}

function buffer(entry: unknown, bytes: Uint8Array, start: number): Buffer {
  const dtype = field(entry, "dtype");
  const shape = field(entry, "shape");
  const offset = field(entry, "offset");
  if (!Array.isArray(shape) || shape.length < 1 || shape.length > 2 || !shape.every(isSize) || !isSize(offset)) {
    throw new PayloadError(words.shapeUnreadable);
  }
  const length = shape.reduce((a: number, b: number) => a * b, 1);
  const at = start + offset;
  const fits = (size: number) => at % 8 === 0 && at + length * size <= bytes.length;
  if (dtype === "uint8" && fits(1)) return { dtype, shape, data: new Uint8Array(bytes.buffer, at, length) };
  if (dtype === "uint16" && fits(2)) return { dtype, shape, data: new Uint16Array(bytes.buffer, at, length) };
  if (dtype === "uint32" && fits(4)) return { dtype, shape, data: new Uint32Array(bytes.buffer, at, length) };
  if (dtype === "float32" && fits(4)) return { dtype, shape, data: new Float32Array(bytes.buffer, at, length) };
  throw new PayloadError(words.bufferOutside);
}

/** Rebuilds a record as its declaration says. */
function record(value: unknown, [fields, inner = {}]: Fields, buffers: Buffer[], name: string): unknown {
  if (typeof value !== "object" || value === null) throw new PayloadError(words.noObject(name));
  return Object.fromEntries(
    fields.split(" ").map((entry) => {
      const [key, type] = entry.split(":") as [string, string];
      return [key, load(field(value, key), type, inner, buffers, `${name}.${key}`)];
    }),
  );
}

/** Rebuilds one field; `inner` has the records that may be in it. */
function load(value: unknown, type: string, inner: Inner, buffers: Buffer[], name: string): unknown {
  if (type.endsWith("?"))
    return value === null || value === undefined ? null : load(value, type.slice(0, -1), inner, buffers, name);
  if (type.endsWith("[]")) {
    if (!Array.isArray(value)) throw new PayloadError(words.noList(name));
    // A long prompt has 100,000 token texts: they are looked at, not copied.
    if (type === "string[]" && value.every((item) => typeof item === "string")) return value;
    return value.map((item) => load(item, type.slice(0, -2), inner, buffers, name));
  }
  const fields = inner[type];
  if (fields) return record(value, fields, buffers, name);
  if (type === "string" || type === "number" || type === "boolean") {
    if (typeof value !== type) throw new PayloadError(words.otherType(name, type));
    return value;
  }
  return array(field(value, "$buffer"), type, buffers, name);
}

function array(index: unknown, type: string, buffers: Buffer[], name: string): unknown {
  const found = isSize(index) ? buffers[index] : undefined;
  const [dtype, dimensions] = type.split("*");
  if (found === undefined || found.dtype !== dtype || found.shape.length !== Number(dimensions ?? 1)) {
    throw new PayloadError(words.noBuffer(name));
  }
  return dimensions ? { data: found.data, rows: found.shape[0], columns: found.shape[1] } : found.data;
}

/** Refuses rows of another number than expected. */
export function rowsOf(name: string, values: { length: number } | null, expected: number): void {
  if (values && values.length !== expected) throw new PayloadError(words.otherRows(name, values.length, expected));
}
