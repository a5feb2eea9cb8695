// Bars between edges, linear or by decades; a cursor reads one bar.
import { useSignal } from "@preact/signals";
import { share, significant } from "../format";
import type { Histogram as Counts } from "../payloads";
import { linear, niceStep, shareLabel, tickLabel } from "../scale";
import * as words from "../words/frame";
import { Plot } from "./plot";

interface Props {
  title: string;
  note: string;
  counts: Counts;
  /** From here on bars are marked, by their lower edge in the units of the axis; a word says why. */
  from?: { edge: number; word: string };
}

/** Edge of a bar, as the reader knows it: a logarithmic axis is one of shares. */
const edgeLabel = (value: number, log: boolean): string => (log ? share(10 ** value) : significant(value, 2));

/** Ticks of an axis of exponents: whole decades, thinned. */
function decades(low: number, high: number): number[] {
  const step = Math.max(1, niceStep(high - low, 5));
  const ticks: number[] = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + 1e-9; tick += step) ticks.push(tick);
  return ticks;
}

export function Histogram({ title, note, counts: { edges, counts, log }, from }: Props) {
  const cursor = useSignal<number | null>(null);
  const n = counts.length;
  const low = edges[0] ?? 0;
  const high = edges[n] ?? 1;
  const x = {
    low,
    high: high > low ? high : low + 1,
    log: false,
    ticks: log ? decades(low, high) : linear(low, high, 5, true).ticks,
  };
  const most = counts.reduce((a, b) => Math.max(a, b), 0);
  const y = linear(0, Math.max(1, most), 3);
  const describe = (bar: number) =>
    words.bar(edgeLabel(edges[bar] as number, log), edgeLabel(edges[bar + 1] as number, log), counts[bar] as number);
  const total = counts.reduce((a, b) => a + b, 0);
  const top = counts.indexOf(most);
  const summary = n > 0 ? words.mostAt(title, total, describe(top)) : words.nothingYet(title);
  const at = cursor.value;
  return (
    <div class="chart">
      <div class="charthead">
        <h3>{title}</h3> <span class="sub">{at !== null && at < n ? describe(at) : note}</span>
      </div>
      <Plot
        x={x}
        y={y}
        tickX={(value) => (log ? shareLabel(10 ** value) : tickLabel(value))}
        tickY={tickLabel}
        summary={summary}
        points={n}
        cursor={cursor}
        describe={describe}
        find={(frame, px) => {
          const value = x.low + ((px - frame.x(x.low)) / (frame.x(x.high) - frame.x(x.low))) * (x.high - x.low);
          const bar = edges.findIndex((edge) => edge > value) - 1;
          return bar === -2 ? n - 1 : Math.max(0, bar);
        }}
      >
        {(frame) => (
          <>
            {Array.from(counts, (value, i) => {
              const left = frame.x(edges[i] as number);
              const right = frame.x(edges[i + 1] as number);
              const marked = from !== undefined && (edges[i] as number) >= from.edge - 1e-6;
              return (
                <rect
                  key={edges[i]}
                  class={`bar${marked ? " odd" : ""}${at === i ? " here" : ""}`}
                  x={left + 0.5}
                  width={Math.max(1, right - left - 1)}
                  y={value > 0 ? Math.min(frame.y(value), frame.height - 1.5) : frame.height}
                  height={value > 0 ? Math.max(1.5, frame.height - frame.y(value)) : 0}
                />
              );
            })}
            {from && n > 0 && from.edge < high && (
              <text class="word" x={frame.width} y={18} text-anchor="end">
                {from.word}
              </text>
            )}
          </>
        )}
      </Plot>
    </div>
  );
}
