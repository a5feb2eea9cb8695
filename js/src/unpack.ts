// The packed payload of a widget's state -> the bytes that `decode` reads, see saewidgets/payloads/packed.py.
import { PayloadError } from "./decode";
import { damagedOrLarge } from "./words/file";

const HEAD = 16;
/** Python packs no more; a stranger's state may claim to be anything. */
const LIMIT = 1_000_000;

/** Whether the bytes are a zlib stream, and no payload as it is. */
export const isPacked = (bytes: Uint8Array): boolean => bytes[0] === 0x78;

/** The payload's encoding; its checksum is not yet looked at. */
export async function unpack(packed: Uint8Array): Promise<Uint8Array> {
  // A copy: the host may reuse its buffer.
  const bytes = await inflated(new Blob([packed.slice()])).catch(() => {
    throw new PayloadError(damagedOrLarge);
  });
  const start = HEAD + new DataView(bytes.buffer).getUint32(8, true);
  const rows = (bytes.length - start) / 4;
  const result = bytes.slice();
  for (let i = start; i < bytes.length; i++) {
    const at = i - start;
    result[i] = bytes[start + (at % 4) * rows + (at >> 2)] ?? 0;
  }
  return result;
}

async function inflated(packed: Blob): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = packed.stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done && size < HEAD) throw new RangeError();
    if (done) return new Uint8Array(await new Blob(chunks).arrayBuffer());
    size += value.length;
    if (size > LIMIT) {
      await reader.cancel();
      throw new RangeError();
    }
    chunks.push(value);
  }
}
