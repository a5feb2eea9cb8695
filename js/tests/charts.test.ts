import assert from "node:assert/strict";
import { test } from "node:test";
import { quantity, share, significant } from "../src/format";
import { axisOf, path } from "../src/parts/linechart";
import { intervalOf, trackOf } from "../src/parts/report";
import { architectures, axes, closest, placed, shape } from "../src/parts/scatter";
import type { Estimate, FrontierPayload, FrontierPoint } from "../src/payloads";
import { linear, logarithmic, nearest, place, range, shareLabel, tickLabel } from "../src/scale";
import { chartsOf, nudged, standing } from "../src/views/training";
import { duration } from "../src/words/common";

test("numbers of reports", () => {
  assert.deepEqual(
    [0.1234, 12.34, 1234, 0, -0.5, 0.0467, 0.0053, 3.2e-6].map((n) => significant(n)),
    ["0.123", "12.3", "1\u202f234", "0", "−0.500", "0.047", "0.0053", "3.2e−6"],
  );
  assert.deepEqual([1.8e-5, 0.0059, 0.1234, 1, 0].map(share), ["0.0018 %", "0.59 %", "12 %", "100 %", "0 %"]);
  assert.deepEqual([quantity(0.5, "share"), quantity(0.5, "nats")], ["50.0 %", "0.500"]);
  assert.deepEqual([40, 200, 7_500].map(duration), ["40 s", "3 min", "2 h 5 min"]);
});

test("ticks are round, inside, and few", () => {
  assert.deepEqual(linear(0, 0.9).ticks, [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(linear(0, 4000, 4, true).ticks, [0, 1000, 2000, 3000, 4000]);
  assert.deepEqual(logarithmic(0.02, 3).ticks, [0.1, 1]);
  assert.deepEqual(logarithmic(5, 60).ticks, [5, 10, 20, 50]);
  for (let i = 0; i < 2000; i++) {
    const low = Math.sin(i) * 10 ** (i % 9);
    const high = low + Math.abs(Math.cos(i * 7)) * 10 ** ((i % 13) - 6) + 1e-9;
    const axis = linear(low, high, 5);
    assert.ok(axis.low <= low + 1e-9 * Math.abs(low) && axis.high >= high - 1e-9 * Math.abs(high));
    assert.ok(axis.ticks.length >= 2 && axis.ticks.length <= 8, `${low} ${high}`);
    const log = logarithmic(Math.abs(low) + 1e-9, Math.abs(low) + 1e-9 + 10 ** (i % 12), 5);
    assert.ok(log.ticks.length >= 1 && log.ticks.length <= 7);
    assert.ok(log.ticks.every((tick) => tick >= log.low * 0.999 && tick <= log.high * 1.001));
  }
});

test("an axis of nothing is still an axis", () => {
  for (const axis of [
    linear(3, 3),
    linear(1e-300, 1e-300),
    linear(0, 0),
    logarithmic(0, 0),
    logarithmic(2, 2),
    logarithmic(-1, 5),
    logarithmic(5e-324, 5e-324),
  ]) {
    assert.ok(axis.high > axis.low && axis.ticks.length > 0, JSON.stringify(axis));
  }
  assert.equal(range([]), null);
  assert.deepEqual(range([Number.NaN, -1, 2]), [-1, 2]);
  assert.deepEqual(range([0, 3, 2], true), [2, 3]);
});

test("places", () => {
  assert.equal(place(linear(0, 10), 5), 0.5);
  assert.ok(Math.abs(place(logarithmic(1, 100), 10) - 0.5) < 1e-12);
  assert.ok(place(logarithmic(1, 100), 0) < 0);
  assert.equal(nearest([0, 10, 20], 14), 1);
  assert.equal(nearest([0, 10, 20], 16), 2);
  assert.equal(nearest([], 3), 0);
  assert.deepEqual([0.05, 20_000, -2, 3e6, 1500].map(tickLabel), ["0.05", "20 k", "−2", "3 M", "1\u202f500"]);
  assert.equal(shareLabel(0.001), "0.1 %");
});

test("a curve breaks where a logarithm has no place", () => {
  const frame = { x: (v: number) => v, y: (v: number) => v, width: 1, height: 1 };
  assert.equal(path([1, 2, 3, 4], [1, 0, 3, 4], frame, true), "M1.0 1.0M3.0 3.0L4.0 4.0");
  assert.equal(path([1, 2], [1, 0], frame, false), "M1.0 1.0L2.0 0.0");
  assert.ok(axisOf([{ name: "x", values: [0, 0] }], true).ticks.length > 0);
  assert.equal(axisOf([{ name: "x", values: [3, 9] }], false).low, 0);
});

const at = (value: number, low: number | null = null, high: number | null = null): Estimate => ({ value, low, high });
const point = (name: string, l0: number, fvu: number, kind = "dictionary"): FrontierPoint => ({
  name,
  kind,
  architecture: name[0] ?? "",
  width: 8,
  l0: at(l0),
  fvu: at(fvu),
  ce: null,
  report: null,
});
const payload = (points: FrontierPoint[]) => ({ points }) as unknown as FrontierPayload;

test("the scatter shows what it can, by L0", () => {
  const all = payload([point("b", 20, 0.2), point("a", 5, 0.5), point("zero", 0, 1, "random")]);
  assert.deepEqual(
    placed(all, "FVU", true).map(({ point }) => point.name),
    ["a", "b"],
  );
  assert.deepEqual(
    placed(all, "FVU", false).map(({ point }) => point.name),
    ["zero", "a", "b"],
  );
  assert.deepEqual(placed(all, "CE", false), []);
  assert.deepEqual(architectures(all.points), ["b", "a"]);
  const { x, y } = axes(placed(all, "FVU", true), "FVU", true);
  assert.ok(x.low < 5 && x.high > 20 && y.low === 0 && y.high >= 0.5);
  const frame = { x: (v: number) => v, y: (v: number) => 100 * v, width: 1, height: 1 };
  assert.equal(closest(placed(all, "FVU", true), frame, 19, 22), 1);
  assert.equal(new Set([0, 1, 2, 3, 4, 5].map((kind) => shape(kind, 0, 0, 4))).size, 6);
  assert.equal(shape(9, 0, 0, 4), shape(5, 0, 0, 4));
});

test("tracks hold all their marks", () => {
  const measure = { estimate: at(0.5, 0.4, 0.6), baselines: [{ baseline: "PCA", estimate: at(-0.2) }] };
  assert.deepEqual(trackOf(measure as never), [-0.2, 0.6]);
  assert.deepEqual(trackOf({ estimate: at(0), baselines: [] } as never), [0, 1]);
  assert.equal(intervalOf(at(0.5, 0.4, 0.6)), "[0.400, 0.600]");
  assert.equal(intervalOf(at(0.5, 0.4, 0.6), "share"), "[40.0, 60.0] %");
  assert.equal(intervalOf(at(0.5)), "");
});

test("sparsity is nudged in its own way", () => {
  assert.deepEqual([nudged(5, false, true), nudged(5, false, false)], [6.25, 4]);
  assert.deepEqual([nudged(1, true, false), nudged(1, true, true), nudged(32, true, false)], [1, 2, 28]);
});

test("a run in one line, and its curves by chart", () => {
  const run = { phase: "running", step: 1200, n_steps: 4000, tokens_per_second: 48213, seconds_left: 58 };
  assert.equal(standing(run as never), "running · step 1\u202f200 of 4\u202f000 · 48\u202f213 tokens/s · 58 s left");
  assert.equal(standing({ ...run, phase: "paused" } as never), "paused · step 1\u202f200 of 4\u202f000");
  const curves = ["loss", "L0", "loss"].map((chart, i) => ({ name: String(i), chart, values: new Float32Array(0) }));
  assert.deepEqual(
    [...chartsOf(curves)].map(([chart, all]) => [chart, all.map(({ name }) => name)]),
    [
      ["loss", ["0", "2"]],
      ["L0", ["1"]],
    ],
  );
});
