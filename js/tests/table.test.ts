import assert from "node:assert/strict";
import { test } from "node:test";
import type { FeatureTablePayload, Statistic, TableRows } from "../src/payloads";
import { Requests } from "../src/requests";
import { bounds, layout, number } from "../src/table/cells";
import { arrange } from "../src/table/here";
import { CHUNK, RowStore } from "../src/table/rows";
import { MOST, Scroller } from "../src/table/scroll";
import { toggled, withFilter } from "../src/table/state";

const statistic = (name: string, unit = ""): Statistic => ({ name, title: name, unit, low: 0, high: 1, known: 3 });

const rows = (start: number, n: number, order = 1): TableRows => ({
  order,
  start,
  index: Uint32Array.from({ length: n }, (_, i) => start + i),
  label: Array.from({ length: n }, (_, i) => (i % 2 ? "a red boat" : "")),
  words: Array.from({ length: n }, (_, i) => ` word${start + i}`),
  values: { data: Float32Array.from({ length: n }, (_, i) => ((start + i) * 7) % 5), rows: n, columns: 1 },
  known: Uint8Array.from({ length: n }, (_, i) => ((start + i) % 4 === 3 ? 0 : 1)),
  bars: { data: new Float32Array(n), rows: n, columns: 1 },
});

test("numbers as the table writes them", () => {
  assert.equal(number(0.00412, statistic("density", "share")), "0.41");
  assert.equal(number(null, statistic("x")), "–");
  assert.equal(number(0.8612, statistic("x", "score")), "0.86");
  assert.equal(number(12480, statistic("x", "count")), "12\u202f480");
  assert.equal(number(3, statistic("x", "match")), "promotes");
  assert.equal(number(-11.24, statistic("x")), "−11.2");
  assert.equal(number(0.0312, statistic("x")), "0.031");
  const share = statistic("density", "share");
  assert.equal(bounds({ name: "", low: 0.0001, high: 0.006 }, share), "0.010 – 0.60 %");
  assert.equal(bounds({ name: "", low: 0.5, high: null }, statistic("x", "score")), "≥ 0.50");
  assert.equal(bounds({ name: "", low: null, high: 2 }, statistic("x")), "≤ 2.0");
});

test("a letter stays with its feature, and is freed last of all", () => {
  assert.deepEqual(toggled(["a", "b"], "a"), ["", "b"]);
  assert.deepEqual(toggled(["", "b"], "c"), ["", "b", "c"]);
  const eight = ["", ..."bcdefgh"];
  assert.deepEqual(toggled(eight, "i"), ["i", ..."bcdefgh"]);
});

test("a filter takes the place of its statistic's old one", () => {
  const one = { name: "x", low: 1, high: null };
  assert.deepEqual(withFilter([one], { name: "x", low: null, high: 2 }), [{ name: "x", low: null, high: 2 }]);
  assert.deepEqual(withFilter([one], { name: "x", low: null, high: null }), []);
  assert.equal(withFilter([one], { name: "y", low: 0, high: 1 }).length, 2);
});

test("the column that sorts is there at any width", () => {
  const statistics = ["a", "b", "c", "d", "e", "f"].map((name) => statistic(name));
  const payload = { statistics, columns: ["a", "b", "c"] } as unknown as FeatureTablePayload;
  for (const width of [280, 360, 520, 640, 760, 1100]) {
    const { columns, template, narrow } = layout(payload, width, "f");
    assert.ok(
      columns.some(({ name }) => name === "f"),
      `${width}`,
    );
    assert.equal(narrow, width < 520);
    const fixed = [...template.matchAll(/(?<![(\d])(\d+)px/g)].reduce((sum, [, px]) => sum + Number(px), 0);
    assert.ok(fixed <= width, `${width}: ${template}`);
  }
});

test("every place of a long list can be reached, and small steps are exact", () => {
  for (const n of [10, 1_000, 129_000, 130_000, 1_000_000, 30_000_000]) {
    const scroller = new Scroller(n, 31, 434);
    assert.ok(scroller.space <= MOST);
    const end = scroller.space - 434;
    assert.equal(scroller.moved(Math.max(0, end)).first, Math.max(0, Math.floor((n * 31 - 434) / 31)));
    assert.equal(scroller.moved(0).first, 0);
    for (const place of [0, 1, n >> 1, n - 1]) {
      const top = scroller.to(place);
      const seen = scroller.settled(top);
      const first = Math.min(place, Math.max(0, Math.ceil((n * 31 - 434) / 31)));
      assert.ok(Math.abs(seen.first - first) <= 1, `${n} ${place} ${seen.first}`);
    }
    if (n < 20_000) continue;
    const top = Math.round(end / 2);
    const middle = scroller.moved(top).first;
    assert.ok(Math.abs(middle / n - 0.5) < 0.01);
    for (let step = 1; step <= 20; step++) {
      const { first, shift } = scroller.moved(top + 31 * step);
      assert.equal(first, middle + step);
      // The row stands where the page was scrolled to.
      assert.ok(Math.abs(first * 31 + shift - (top + 31 * step)) <= 31);
    }
  }
});

/** A store whose requests are answered by hand. */
function store() {
  const sent: { id: number; order: number; start: number; count: number }[] = [];
  const requests = new Requests((message) => sent.push(message as never));
  return { sent, requests, kept: new RowStore(requests) };
}

test("one request at a time, and the newest window first", () => {
  const { sent, kept, requests } = store();
  kept.begin(rows(0, 20));
  assert.equal(kept.get(19)?.rows.index[19], 19);
  assert.equal(kept.get(20), null);
  kept.need(0, 20);
  assert.equal(sent.length, 0);
  kept.need(500, 540);
  kept.need(90_000, 90_010);
  assert.deepEqual(
    sent.map(({ start, count }) => [start, count]),
    [[Math.floor(500 / CHUNK) * CHUNK, CHUNK]],
  );
  requests.close();
});

test("without a kernel the rows of the page are sorted and filtered", () => {
  const held = rows(0, 12);
  const payload = {
    rows: held,
    statistics: [statistic("x")],
    sort: "x",
    descending: false,
    query: "",
  } as unknown as FeatureTablePayload;
  const asked = { query: "", here: "", there: "", filters: [], sort: "x", descending: true };
  const value = (i: number) => (held.known[i] ? (held.values.data[i] as number) : Number.NEGATIVE_INFINITY);
  const expected = Array.from({ length: 12 }, (_, i) => i).sort((a, b) =>
    value(a) === value(b) ? a - b : value(b) - value(a),
  );
  assert.deepEqual(arrange(payload, asked), expected);
  const filters = [{ name: "x", low: 2, high: 3 }];
  assert.deepEqual(
    arrange(payload, { ...asked, descending: false, filters }),
    [...expected].sort((a, b) => a - b).filter((i) => value(i) >= 2 && value(i) <= 3),
  );
  assert.deepEqual(arrange(payload, { ...asked, descending: false, query: "RED word5" }), [5]);
});
