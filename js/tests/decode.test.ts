import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, decode, PayloadError } from "../src/decode";
import { HEATMAP } from "../src/kinds/heatmap";
import { DICTIONARY_REPORT } from "../src/kinds/report";
import { encode, random, small } from "./fixtures";

test("crc32 is zlib's", () => {
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  for (const length of [0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 4099]) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 2654435761) >>> 24);
    // Bit by bit, as it is defined.
    let c = 0xffffffff;
    for (const byte of bytes) {
      c ^= byte;
      for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    }
    assert.equal(crc32(bytes), (c ^ 0xffffffff) >>> 0, `${length} bytes`);
  }
});

test("a payload comes back", () => {
  const payload = decode(small(), HEATMAP);
  assert.equal(payload.prompt, "Tom gave");
  assert.deepEqual([...payload.tokens.kind], [1, 0, 0]);
  assert.deepEqual(
    [...payload.predictions.before.data].map((p) => p.toFixed(1)),
    ["0.7", "0.1"],
  );
  assert.equal(payload.predictions.token.columns, 2);
  assert.equal(payload.control, null);
});

test("bytes at an odd address, as a host may hand them", () => {
  const raw = small();
  const moved = new Uint8Array(raw.length + 3);
  moved.set(raw, 3);
  assert.equal(decode(moved.subarray(3), HEATMAP).prompt, "Tom gave");
});

test("a payload cut anywhere, or with any byte changed, gives one typed error", () => {
  const raw = small();
  for (let n = 0; n < raw.length; n++) assert.throws(() => decode(raw.subarray(0, n), HEATMAP), PayloadError);
  for (let n = 0; n < raw.length; n++) {
    const changed = raw.slice();
    changed[n] = (changed[n] as number) ^ 0x41;
    assert.throws(() => decode(changed, HEATMAP), PayloadError);
  }
});

test("fuzzed headers with a right checksum throw typed errors or decode", () => {
  const next = random(7);
  const values = [
    null,
    -1,
    1e9,
    2 ** 53,
    0.5,
    "x",
    [],
    {},
    { $buffer: 99 },
    { $buffer: -1 },
    { $buffer: 0 },
    "\u0000",
    true,
  ];
  let thrown = 0;
  for (let round = 0; round < 500; round++) {
    const raw = small((data) => {
      let target = data as Record<string, unknown>;
      for (let depth = 0; depth < 4; depth++) {
        const keys = Object.keys(target);
        const key = keys[Math.floor(next() * keys.length)] as string;
        const inner = target[key];
        if (typeof inner === "object" && inner !== null && Object.keys(inner).length && next() < 0.7) {
          target = inner as Record<string, unknown>;
        } else {
          target[key] = values[Math.floor(next() * values.length)];
          break;
        }
      }
    });
    try {
      decode(raw, HEATMAP);
    } catch (error) {
      assert.ok(error instanceof PayloadError, String(error));
      thrown++;
    }
  }
  assert.ok(thrown > 300);
});

test("buffers outside the file, misaligned or of a wrong shape are refused", () => {
  const array = { dtype: "float32", shape: [2], data: new Float32Array(2) };
  for (const shape of [[3], [2 ** 40], [-1], [1, 1, 1], [2 ** 27, 2 ** 27], []]) {
    assert.throws(() => decode(encode({}, [{ ...array, shape }]), HEATMAP), PayloadError);
  }
  assert.throws(() => decode(encode({}, [{ ...array, dtype: "float64" }]), HEATMAP), PayloadError);
  assert.throws(() => decode(encode({}, [], "__proto__"), HEATMAP), PayloadError);
  assert.throws(() => decode(encode({}, [], "heatmap", 2), HEATMAP), /format 2/);
  assert.throws(() => decode(small(), DICTIONARY_REPORT), /no payload of a dictionary_report/);
});
