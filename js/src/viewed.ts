// The bytes of a picture, with the view as its reader left it: a file opens where she was, not where the last run ended.
import { crc32 } from "./decode";

const HEAD = 16;
const padded = (size: number): number => Math.ceil(size / 8) * 8;

/** The payload with these fields of its view; what it does not have, or of another type, is left out. */
export function viewed(raw: Uint8Array, view: Record<string, unknown>): Uint8Array<ArrayBuffer> {
  const head = new DataView(raw.buffer, raw.byteOffset);
  const start = HEAD + head.getUint32(8, true);
  const header = JSON.parse(new TextDecoder().decode(raw.subarray(HEAD, start)));
  for (const [name, value] of Object.entries(view)) {
    if (Object.hasOwn(header.data, name) && isPlain(value) && typeof header.data[name] === typeof value)
      header.data[name] = value;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const body = padded(HEAD + text.length);
  const bytes = new Uint8Array(body + raw.length - start);
  bytes.set(raw.subarray(0, HEAD));
  bytes.fill(32, HEAD, body);
  bytes.set(text, HEAD);
  bytes.set(raw.subarray(start), body);
  const made = new DataView(bytes.buffer);
  made.setUint32(8, body - HEAD, true);
  made.setUint32(12, crc32(bytes.subarray(HEAD)), true);
  return bytes;
}

const isPlain = (value: unknown): boolean => typeof value === "string" || Number.isFinite(value);
