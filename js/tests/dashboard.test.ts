import assert from "node:assert/strict";
import { test } from "node:test";
import { cellsOf, peakOf } from "../src/cells";
import { countAxis } from "../src/parts/aside";
import { boundsOf } from "../src/parts/examples";
import { tokenAt } from "../src/parts/livetext";
import type { ExampleGroup } from "../src/payloads";

test("bounds of an interval", () => {
  const group = { low: 0.25, high: 0.5, negative: false } as ExampleGroup;
  assert.equal(boundsOf(group), "0.25 – 0.5");
  assert.equal(boundsOf({ ...group, low: 2, high: 4, negative: true }), "−2 – −4");
});

test("position 0 is no peak, unless it is alone", () => {
  assert.equal(peakOf([9, 1, 3, 2]), 2);
  assert.equal(peakOf([9]), 0);
  assert.equal(peakOf([]), 0);
});

test("the token of a caret is the one before it, and never a special one", () => {
  const tokens = {
    text: ["<bos>", "Tom", " gave"],
    ids: new Uint32Array([0, 1, 2]),
    kind: new Uint8Array([1, 0, 0]),
    pieces: [],
  };
  const cells = cellsOf(tokens);
  assert.deepEqual(
    [0, 1, 3, 4, 8].map((offset) => tokenAt(cells, offset)),
    [-1, 1, 1, 2, 2],
  );
});

test("a single token is seen on the axis of counts", () => {
  for (const most of [0, 1, 7, 2_000, 3e8]) {
    const { low, high, ticks, log } = countAxis(most);
    assert.ok(log && low < 1 && high > most);
    assert.ok(ticks.length >= 1 && ticks.length <= 5 && ticks.every((tick) => tick >= low && tick <= high));
  }
});
