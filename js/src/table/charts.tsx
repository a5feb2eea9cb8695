// How a statistic is spread: bars that are brushed to filter the rows.
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { type Frame, Plot } from "../parts/plot";
import type { Statistic, TableChart, TableFilter } from "../payloads";
import { type Axis, linear, logarithmic, shareLabel, tickLabel } from "../scale";
import type { TableView } from "../views/featuretable";
import * as common from "../words/common";
import * as words from "../words/table";
import { bounds, titleOf } from "./cells";
import { CLICK, HEIGHT, useDrag } from "./drag";

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
  const describe = (bar: number) => {
    const range = bounds({ name: "", low: edges[bar] as number, high: edges[bar + 1] as number }, statistic);
    return words.barOf(name, range, chart.fit[bar] as number, counts[bar] as number);
  };
  const at = cursor.value;
  const note = [
    statistic.unit === "share" ? words.shareOfTokens : "",
    log ? common.log : "",
    outside ? words.dead(outside) : "",
  ];
  const key = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || at === null) return;
    if (mark.current === null) view.said.value = words.fromHere;
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
        summary={words.spreadOf(
          name,
          counts.reduce((a, b) => a + b, 0),
        )}
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
              {filter && <Bounds frame={drawn} axis={axis} filter={filter} text={bounds(filter, statistic)} />}
            </>
          );
        }}
      </Plot>
    </div>
  );
}

function Bounds({ frame, axis, filter, text }: { frame: Frame; axis: Axis; filter: TableFilter; text: string }) {
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
        {text}
      </text>
    </g>
  );
}
