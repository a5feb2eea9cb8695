import assert from "node:assert/strict";
import { test } from "node:test";
import { cellsOf, cellsOfDraft, groups } from "../src/cells";
import { activation, change, count, factor, interval, percent, probability } from "../src/format";
import { barsAt, fillClass } from "../src/look";
import { sliderEdit, sliderOf, withFeature } from "../src/model";
import { letter, step } from "../src/palette";
import { slices } from "../src/parts/rail";
import type { Tokens } from "../src/payloads";
import { asText, draw, piled, plain, runs, special } from "../src/signs";

const tokens = (text: string[], kind: number[] = text.map(() => 0), pieces: string[] = []): Tokens => ({
  text,
  ids: new Uint32Array(text.length),
  kind: Uint8Array.from(kind),
  pieces,
});

test("numbers as the visual language writes them", () => {
  assert.deepEqual([6.25, 0, -1.5, 0.04].map(activation), ["6.3", "0", "−1.5", "0.0"]);
  assert.deepEqual([0.342, -0.42, 0.001].map(change), ["+0.34", "−0.42", "0.00"]);
  assert.equal(probability(Number.NaN), "–");
  assert.deepEqual([7, 12480, 2_100_000].map(count), ["7", "12\u202f480", "2\u202f100\u202f000"]);
  assert.equal(percent(0.066), "7 %");
  assert.equal(interval(0.02, 0.07), "0.02–0.07");
  assert.equal(interval(0.021, 0.022), "0.02");
  assert.deepEqual([1, 1.5, 0.25].map(factor), ["× 1.0", "× 1.5", "× 0.25"]);
});

test("marks are named, spaces signed, piles cut", () => {
  assert.deepEqual(runs("a\u202eb"), [
    { text: "a", kind: "text" },
    { text: "RLO", kind: "mark" },
    { text: "b", kind: "text" },
  ]);
  assert.equal(asText(draw("\u0000\t\n \u00a0", 0)), "‹00›→↵··");
  assert.equal(asText(draw(`a${"\u0301".repeat(100_000)}`, 0)), `a${"\u0301".repeat(4)}`);
  assert.equal(asText(draw("\ud800", 0)), "‹U+D800›");
  assert.equal(asText(draw("\u{e0041}", 0)), "‹U+E0041›");
  assert.equal(asText(draw("", 0)), "‹empty›");
  assert.equal(asText(draw("x".repeat(1000), 0)).length, 65);
  assert.equal(asText(draw("<script>fired()</script>", 0)), "<script>fired()</script>");
  assert.equal(plain("colour\u202e word"), "colour‹RLO› word");
  assert.equal(plain(""), "");
  assert.equal(special("<|begin_of_text|>"), "begin_of_text");
  assert.ok(piled(`a${"\u0301".repeat(1000)}`) && !piled("a\u0301".repeat(1000)));
});

test("a token's gap, break and bytes", () => {
  assert.deepEqual(draw(" to", 0), { runs: [{ text: "to", kind: "text" }], gap: true, breaks: false, cut: 0 });
  assert.equal(draw("end.\n", 0).breaks, true);
  const cells = cellsOf(tokens(["<bos>", "🦊", "", "x"], [1, 2, 3, 0], ["F0 9F", "A6 8A"]));
  assert.deepEqual(
    cells.map((cell) => asText(cell.drawn)),
    ["‹bos›", "🦊‹F0 9F›", "‹A6 8A›", "x"],
  );
  assert.deepEqual(
    cells.map((cell) => [cell.start, cell.end]),
    [
      [0, 0],
      [0, 2],
      [2, 2],
      [2, 3],
    ],
  );
});

test("while typing, unchanged tokens stay and the rest is unread text", () => {
  const cells = cellsOf(tokens(["<bos>", "Tom", " gave", " the", " red"], [1, 0, 0, 0, 0]));
  const shown = (draft: string) =>
    cellsOfDraft(cells, "Tom gave the red", draft).map((cell) => [
      cell.token,
      asText(cell.drawn),
      cell.start,
      cell.end,
    ]);
  assert.deepEqual(
    shown("Tom gave a the red").map(([token]) => token),
    [0, 1, 2, -1, -1, 4],
  );
  for (const draft of [
    "",
    "T",
    "Tom gave the red lantern",
    "Tom the red",
    "x",
    "Tom\n\ngave",
    "Tom gave the redTom gave the red",
  ]) {
    const all = cellsOfDraft(cells, "Tom gave the red", draft).slice(1);
    let at = 0;
    for (const cell of all) {
      assert.equal(cell.start, at);
      at = cell.end;
    }
    assert.equal(at, draft.length, draft);
  }
  const lossy = cellsOfDraft(cells, "Tom gave the red!", "Tom gave the red");
  assert.ok(lossy.every((cell) => cell.token === -1));
});

test("the pieces of a word stay together, long runs may break", () => {
  assert.deepEqual(groups(cellsOf(tokens(["Tom", " lan", "tern", ",", " to"]))), [[0], [1, 2, 3], [4]]);
  assert.ok(groups(cellsOf(tokens(Array(40).fill("abcdef")))).length > 5);
  assert.equal(groups(cellsOf(tokens(Array(10).fill("京")))).length, 10);
});

test("fills in seven equal steps, none at position 0 or for nothing", () => {
  assert.deepEqual(
    [0, -1, 0.01, 1, 1.01, 7, 99].map((value) => step(value, 7)),
    [0, 0, 1, 1, 2, 7, 7],
  );
  assert.equal(step(1, 0), 0);
  const fill = { before: [9, 7, 0], after: [9, 0, 3], maximum: 7, slot: 2, name: "" };
  assert.deepEqual(
    [0, 1, 2].map((token) => fillClass(fill, token, false)),
    ["", "r27", ""],
  );
  assert.deepEqual(
    [0, 1, 2].map((token) => fillClass(fill, token, true)),
    ["", "", "r23"],
  );
  assert.equal(fillClass({ ...fill, slot: 9 }, 1, false), "s7");
});

test("a lane's bar is hollow where the edit removed it", () => {
  const feature = { id: "x/1", label: "", slot: 3, maximum: 4, edit: "", scale: 0 };
  const values = Float32Array.of(0, 2, 4);
  const after = Float32Array.of(0, 0, 1);
  assert.deepEqual(barsAt([{ ...feature, values, after }], 1, true), [{ lane: 0, slot: 3, share: 0.5, gone: true }]);
  assert.deepEqual(barsAt([{ ...feature, values, after }], 2, true), [{ lane: 0, slot: 3, share: 0.25, gone: false }]);
  assert.deepEqual(barsAt([{ ...feature, values, after: null }], 0, false), []);
});

test("letters, slots and sliders", () => {
  assert.deepEqual([0, 7, 25, 26].map(letter), ["a", "h", "z", "a1"]);
  assert.deepEqual(withFeature(["a", "", "c"], "d"), ["a", "", "c", "d"]);
  const eight = ["a", "", "c", "d", "e", "f", "g", "h"];
  assert.deepEqual(withFeature(eight, "i"), ["a", "i", ...eight.slice(2)]);
  assert.deepEqual(withFeature(["a"], "a"), ["a"]);
  assert.equal(sliderEdit("x/1", 1, "kept"), null);
  assert.deepEqual(sliderEdit("x/1", 0, "dropped"), {
    kind: "ablate",
    feature: "x/1",
    value: null,
    positions: null,
    error: "drop",
  });
  assert.equal(sliderEdit("x/1", 9, "kept")?.value, 2);
  const edit = { kind: "scale", feature: "x/1", value: 1.5, positions: null, error: "keep" } as const;
  assert.equal(sliderOf([edit], "x/1"), 1.5);
  assert.equal(sliderOf([edit], "x/2"), 1);
  assert.equal(sliderOf([{ ...edit, positions: [3] }], "x/1"), null);
  assert.equal(sliderOf([{ ...edit, value: 3 }], "x/1"), null);
  assert.equal(sliderOf([{ ...edit, kind: "clamp" }], "x/1"), null);
  assert.equal(sliderOf([edit, { ...edit, kind: "steer" }], "x/1"), null);
});

test("the rail holds the maximum of each slice", () => {
  const values = new Float32Array(1000);
  values[0] = 99;
  values[499] = 2;
  const rail = slices(values, 4);
  assert.equal(rail.length, 250);
  assert.deepEqual([rail[0], rail[124], rail[125]], [0, 0.5, 0]);
  assert.deepEqual(slices([], 1), []);
});
