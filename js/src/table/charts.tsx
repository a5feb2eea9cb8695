// The charts over a table: bars that are brushed, and a scatter whose corner is dragged; both filter the rows.
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { count, plural, probability } from "../format";
import { hue, letter } from "../palette";
import { type Frame, Plot } from "../parts/plot";
import type { Statistic, TableChart, TableFilter, TablePoints } from "../payloads";
import { type Axis, linear, logarithmic, shareLabel, tickLabel } from "../scale";
import type { TableView } from "../views/featuretable";
import { bounds, titleOf } from "./cells";

/** Nearer than this to where it began, a drag is a click. */
const CLICK = 4;
/** Above the middle of both scores a feature reads, or says. */
const HALF = 0.5;
const HEIGHT = 168;

interface Dragged {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/** Drags over a plot, in px from its left top corner. */
function useDrag(act: (frame: Frame, drag: Dragged, done: boolean) => void) {
  const frame = useRef<Frame>();
  const from = useRef<[number, number] | null>(null);
  const at = (event: PointerEvent & { currentTarget: HTMLElement }) => {
    const box = event.currentTarget.querySelector(".plot")?.getBoundingClientRect();
    return [event.clientX - (box?.left ?? 0), event.clientY - (box?.top ?? 0)] as const;
  };
  const drag = (event: PointerEvent & { currentTarget: HTMLElement }, done: boolean) => {
    if (!from.current || !frame.current) return;
    const [x1, y1] = at(event);
    const [x0, y0] = from.current;
    if (done) from.current = null;
    if (done || Math.hypot(x1 - x0, y1 - y0) > CLICK) act(frame.current, { x0, y0, x1, y1 }, done);
  };
  return {
    frame,
    handlers: {
      onPointerDown: (event: PointerEvent & { currentTarget: HTMLElement }) => {
        if (event.button !== 0) return;
        from.current = [...at(event)] as [number, number];
        event.currentTarget.setPointerCapture(event.pointerId);
      },
      onPointerMove: (event: PointerEvent & { currentTarget: HTMLElement }) => drag(event, false),
      onPointerUp: (event: PointerEvent & { currentTarget: HTMLElement }) => drag(event, true),
      onPointerCancel: () => {
        from.current = null;
      },
    },
  };
}

/** The axis of a chart, in the units of the statistic. */
function axisOf(low: number, high: number, log: boolean): Axis {
  const ticks = log ? logarithmic(low, high, 6).ticks : linear(low, high, 5, true).ticks;
  return { low, high, log, ticks };
}

interface ChartProps {
  view: TableView;
  chart: TableChart;
  statistic: Statistic;
}

/** How a statistic is spread: grey all, dark those that fit. */
export function Spread({ view, chart, statistic }: ChartProps) {
  const { state } = view;
  const cursor = useSignal<number | null>(null);
  const mark = useRef<number | null>(null);
  const { counts, log, outside } = chart.all;
  const edges = Array.from(chart.all.edges, (edge) => (log ? 10 ** edge : edge));
  const n = counts.length;
  const name = titleOf(statistic);
  const filter = state.filter(chart.name);
  const set = (a: number, b: number, soon: boolean) => {
    const [first, last] = a < b ? [a, b] : [b, a];
    state.bound(chart.name, edges[first] as number, edges[last + 1] as number, soon);
  };
  const find = (frame: Frame, px: number) => {
    const edge = edges.findIndex((edge) => frame.x(edge) > px) - 1;
    return edge === -2 ? n - 1 : Math.max(0, edge);
  };
  const { frame, handlers } = useDrag((frame, { x0, x1 }, done) => {
    if (Math.abs(x1 - x0) > CLICK) set(find(frame, x0), find(frame, x1), !done);
    else state.bound(chart.name, null, null);
  });
  if (n === 0) return null;
  const axis = axisOf(edges[0] as number, edges[n] as number, log);
  const most = counts.reduce((a, b) => Math.max(a, b), 0);
  const describe = (bar: number) =>
    `${name} ${bounds({ name: "", low: edges[bar] as number, high: edges[bar + 1] as number }, statistic)}: ${count(chart.fit[bar] as number)} of ${plural(counts[bar] as number, "feature")}`;
  const at = cursor.value;
  const note = [
    statistic.unit === "share" ? "share of tokens" : "",
    log ? "log" : "",
    outside ? `${count(outside)} dead not shown` : "",
  ];
  const key = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || at === null) return;
    if (mark.current === null) view.said.value = "From here. Enter again where it ends.";
    else set(mark.current, at, false);
    mark.current = mark.current === null ? at : null;
    event.preventDefault();
    event.stopPropagation();
  };
  const bars = (values: Uint32Array, frame: Frame): string =>
    Array.from(values, (height, i) => {
      const left = frame.x(edges[i] as number) + 0.5;
      const wide = Math.max(1, frame.x(edges[i + 1] as number) - left - 0.5);
      const tall = height > 0 ? Math.max(1.5, frame.height - frame.y(height)) : 0;
      return tall
        ? `M${left.toFixed(1)} ${frame.height}h${wide.toFixed(1)}v${-tall.toFixed(1)}h${-wide.toFixed(1)}z`
        : "";
    }).join("");
  return (
    <div class="chart brushed" {...handlers} onKeyDown={key}>
      <div class="charthead">
        <h3>{name.charAt(0).toUpperCase() + name.slice(1)}</h3>{" "}
        <span class="sub">{at !== null && at < n ? describe(at) : note.filter(Boolean).join(", ")}</span>
      </div>
      <Plot
        x={axis}
        y={linear(0, Math.max(1, most), 3)}
        tickX={statistic.unit === "share" ? shareLabel : tickLabel}
        tickY={tickLabel}
        height={HEIGHT}
        summary={`${name} of ${plural(
          counts.reduce((a, b) => a + b, 0),
          "feature",
        )}. Arrow keys read it, Enter marks where a filter begins and ends.`}
        points={n}
        cursor={cursor}
        describe={describe}
        find={find}
      >
        {(drawn) => {
          frame.current = drawn;
          return (
            <>
              <path class="every" d={bars(counts, drawn)} />
              <path class="fitting" d={bars(chart.fit, drawn)} />
              {filter && <Bounds frame={drawn} axis={axis} filter={filter} words={bounds(filter, statistic)} />}
            </>
          );
        }}
      </Plot>
    </div>
  );
}

function Bounds({ frame, axis, filter, words }: { frame: Frame; axis: Axis; filter: TableFilter; words: string }) {
  const inside = (bound: number) => frame.x(Math.min(axis.high, Math.max(axis.low, bound)));
  const xs = [filter.low, filter.high].flatMap((bound) => (bound === null ? [] : [inside(bound)]));
  const middle = xs.reduce((a, b) => a + b, 0) / Math.max(1, xs.length);
  return (
    <g class="bounds-marks">
      {xs.map((x, i) => (
        <g key={i}>
          <line x1={x} x2={x} y1={0} y2={frame.height} />
          <rect x={x - 3} y={frame.height / 2 - 9} width={6} height={18} rx={2} />
        </g>
      ))}
      <text x={middle} y={4} text-anchor="middle">
        {words}
      </text>
    </g>
  );
}

interface ScatterProps {
  view: TableView;
  points: TablePoints;
  x: Statistic;
  y: Statistic;
}

const UNIT: Axis = { low: 0, high: 1, log: false, ticks: [0, HALF, 1] };
const clamp = (value: number): number => Math.min(1, Math.max(0, value));

/** Input score against output score: a click takes a quarter, a drag a corner, Enter opens a feature. */
export function Scatter({ view, points, x, y }: ScatterProps) {
  const { state } = view;
  const cursor = useSignal<number | null>(null);
  const at = cursor.value;
  const n = points.index.length;
  const choose = (x0: number, x1: number, y0: number, y1: number, soon: boolean) => {
    const round = (value: number) => Math.round(clamp(value) * 100) / 100;
    const range = (a: number, b: number) => {
      const [low, high] = [round(Math.min(a, b)), round(Math.max(a, b))];
      return { low: low > 0 ? low : null, high: high < 1 ? high : null };
    };
    const others = state.asked.value.filters.filter(({ name }) => name !== x.name && name !== y.name);
    const own = [
      { name: x.name, ...range(x0, x1) },
      { name: y.name, ...range(y0, y1) },
    ].filter(({ low, high }) => low !== null || high !== null);
    state.want({ filters: [...others, ...own] }, soon);
  };
  const { frame, handlers } = useDrag((frame, { x0, y0, x1, y1 }, done) => {
    const toX = (px: number) => (px - frame.x(0)) / (frame.x(1) - frame.x(0));
    const toY = (py: number) => (py - frame.y(0)) / (frame.y(1) - frame.y(0));
    if (Math.hypot(x1 - x0, y1 - y0) > CLICK) return choose(toX(x0), toX(x1), toY(y0), toY(y1), !done);
    const [right, up] = [toX(x1) >= HALF, toY(y1) >= HALF];
    const same = state.filter(x.name)?.[right ? "low" : "high"] === HALF;
    if (same && state.filter(y.name)?.[up ? "low" : "high"] === HALF) choose(0, 1, 0, 1, false);
    else choose(right ? HALF : 0, right ? 1 : HALF, up ? HALF : 0, up ? 1 : HALF, false);
  });
  const dots = (fit: boolean, drawn: Frame): string =>
    Array.from(points.index, (_, i) =>
      Boolean(points.fit[i]) === fit
        ? `M${drawn.x(points.x[i] as number).toFixed(1)} ${drawn.y(points.y[i] as number).toFixed(1)}h0`
        : "",
    ).join("");
  const describe = (i: number) =>
    `feature ${points.index[i]}: ${titleOf(x)} ${probability(points.x[i] ?? 0)}, ${titleOf(y)} ${probability(points.y[i] ?? 0)}`;
  const fx = state.filter(x.name);
  const fy = state.filter(y.name);
  const both = (fx?.low ?? 0) >= HALF && (fy?.low ?? 0) >= HALF;
  const note = points.total > n ? `${count(n)} of ${count(points.total)} drawn` : "drag a corner to choose";
  return (
    <div
      class="chart brushed"
      {...handlers}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || at === null) return;
        state.open(state.id(points.index[at] as number));
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      <div class="charthead">
        <h3>What it reads, what it says</h3> <span class="sub">{at !== null && at < n ? describe(at) : note}</span>
      </div>
      <Plot
        x={UNIT}
        y={UNIT}
        tickX={tickLabel}
        tickY={tickLabel}
        height={HEIGHT}
        summary={`${titleOf(y)} score over ${titleOf(x)} score of ${plural(n, "feature")}. Arrow keys read them, Enter opens one.`}
        points={n}
        cursor={cursor}
        describe={describe}
        find={(drawn, px, py) => {
          let best = 0;
          let least = Number.POSITIVE_INFINITY;
          for (let i = 0; i < n; i++) {
            const far = Math.hypot(drawn.x(points.x[i] as number) - px, drawn.y(points.y[i] as number) - py);
            if (far < least) [best, least] = [i, far];
          }
          return best;
        }}
      >
        {(drawn) => {
          frame.current = drawn;
          const left = drawn.x(fx?.low ?? 0);
          const top = drawn.y(fy?.high ?? 1);
          return (
            <>
              {(fx || fy) && (
                <rect
                  class="corner"
                  x={left}
                  y={top}
                  width={Math.max(0, drawn.x(fx?.high ?? 1) - left)}
                  height={Math.max(0, drawn.y(fy?.low ?? 0) - top)}
                />
              )}
              <line class="half" x1={drawn.x(HALF)} x2={drawn.x(HALF)} y1={drawn.y(1)} y2={drawn.y(0)} />
              <path class="dots" d={dots(false, drawn)} />
              <path class="dots dark-dots" d={dots(true, drawn)} />
              <text class="word" x={drawn.x(0) + 6} y={drawn.y(1) + 12}>
                says
              </text>
              <text class={both ? "word on" : "word"} x={drawn.x(1) - 6} y={drawn.y(1) + 12} text-anchor="end">
                reads and says
              </text>
              <text class="word" x={drawn.x(1) - 6} y={drawn.y(0) - 6} text-anchor="end">
                reads
              </text>
              {at !== null && at < n && (
                <circle
                  class="ring thin"
                  cx={drawn.x(points.x[at] as number)}
                  cy={drawn.y(points.y[at] as number)}
                  r={6}
                />
              )}
              {Array.from(points.index, (index, i) => {
                const slot = state.chosen.value.indexOf(state.id(index));
                if (slot < 0) return null;
                const [cx, cy] = [drawn.x(points.x[i] as number), drawn.y(points.y[i] as number)];
                return (
                  <g key={index} class={`pin ${hue(slot)}`}>
                    <circle cx={cx} cy={cy} r={8} />
                    <text x={cx} y={cy + 4} text-anchor="middle">
                      {letter(slot)}
                    </text>
                  </g>
                );
              })}
            </>
          );
        }}
      </Plot>
      <div class="sub axes">
        <span>{titleOf(y)} score ↑</span>
        <span>{titleOf(x)} score →</span>
      </div>
    </div>
  );
}
