import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { decode, PayloadError } from "../src/decode";
import { HEATMAP } from "../src/kinds/heatmap";
import { isPacked, unpack } from "../src/unpack";
import { small } from "./fixtures";

/** As Python writes it: the body in four planes. */
function packed(raw: Uint8Array): Uint8Array {
  const start = 16 + new DataView(raw.buffer).getUint32(8, true);
  const planes = [0, 1, 2, 3].map((place) => raw.slice(start).filter((_, i) => i % 4 === place));
  return deflateSync(Buffer.concat([raw.slice(0, start), ...planes]));
}

test("what Python packed comes out, and is a payload", async () => {
  const raw = small();
  assert.ok(isPacked(packed(raw)) && !isPacked(raw) && !isPacked(new Uint8Array(0)));
  assert.deepEqual(await unpack(packed(raw)), raw);
  decode(await unpack(packed(raw)), HEATMAP);
});

test("damaged bytes, and few that stand for many, are refused", async () => {
  const good = packed(small());
  const bad = [
    good.subarray(0, -1),
    good.subarray(0, 9),
    deflateSync(new Uint8Array(3)),
    deflateSync(Buffer.alloc(3e7)),
  ];
  for (const bytes of bad) await assert.rejects(unpack(bytes), PayloadError);
});
