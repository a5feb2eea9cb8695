// Curves over the steps: the first in ink, the others by their dash; all charts of a view share one cursor.
import type { Signal } from "@preact/signals";
import { type Axis, linear, logarithmic, nearest, place, range, tickLabel } from "../scale";
import { plain } from "../signs";
import * as common from "../words/common";
import * as words from "../words/frame";
import { type Frame, Plot } from "./plot";

export interface Line {
  name: string;
  values: ArrayLike<number>;
}

interface Props {
  title: string;
  lines: readonly Line[];
  steps: ArrayLike<number>;
  /** What is counted. */
  unit?: string;
  /** Last step of the axis. */
  end: number;
  log: boolean;
  cursor: Signal<number | null>;
  write: (value: number) => string;
  tick?: (value: number) => string;
  /** Steps at which something was changed. */
  marks: ArrayLike<number>;
}

/** The axis of some curves: from 0 when linear, over the values above 0 when logarithmic. */
export function axisOf(lines: readonly Line[], log: boolean): Axis {
  const all = lines.flatMap(({ values }) => Array.from(values));
  const found = range(all, log);
  if (!found) return log ? logarithmic(0.1, 1) : linear(0, 1, 4);
  if (log) return logarithmic(found[0] / 1.05, found[1] * 1.05, 4);
  return linear(Math.min(0, found[0]), found[1] > 0 ? found[1] : 1, 4);
}

/** An SVG path through the points; where a logarithm has no place for one, it breaks. */
export function path(steps: ArrayLike<number>, values: ArrayLike<number>, frame: Frame, log: boolean): string {
  let text = "";
  let pen = "M";
  for (let i = 0; i < steps.length; i++) {
    const value = values[i] as number;
    if (log && value <= 0) {
      pen = "M";
      continue;
    }
    text += `${pen}${frame.x(steps[i] as number).toFixed(1)} ${frame.y(value).toFixed(1)}`;
    pen = "L";
  }
  return text;
}

export function LineChart({
  title,
  lines,
  steps,
  unit = words.step,
  end,
  log,
  cursor,
  write,
  tick = tickLabel,
  marks,
}: Props) {
  const n = steps.length;
  const x = linear(0, Math.max(1, end), 4, true);
  const y = axisOf(lines, log);
  const at = cursor.value === null || cursor.value >= n ? n - 1 : cursor.value;
  const value = (line: Line) => (n > 0 ? write(line.values[at] as number) : "–");
  const describe = (point: number) =>
    `${words.at(unit, steps[point] as number)}: ${lines.map((line) => `${plain(line.name, 40)} ${write(line.values[point] as number)}`).join(", ")}`;
  const first = lines[0];
  const summary =
    n > 0 && first
      ? words.fromTo(
          title,
          write(first.values[0] as number),
          write(first.values[n - 1] as number),
          steps[n - 1] as number,
          unit,
        )
      : words.noneYet(title, unit);
  return (
    <div class="chart">
      <div class="charthead">
        <h3>{title}</h3>
        {lines.map((line, i) => (
          <span key={line.name} class="reading">
            {lines.length > 1 && (
              <>
                <svg aria-hidden="true" class="dash" width="16" height="8">
                  <path class={`curve l${Math.min(i, 3)}`} d="M0 4h16" />
                </svg>
                <span class="sub">{plain(line.name, 24)}</span>{" "}
              </>
            )}
            <b>{value(line)}</b>
          </span>
        ))}
        <span class="sub where">
          {cursor.value !== null && n > 0 ? words.at(unit, steps[at] as number) : log ? common.log : ""}
        </span>
      </div>
      <Plot
        x={x}
        y={y}
        tickX={tickLabel}
        tickY={tick}
        summary={summary}
        points={n}
        cursor={cursor}
        describe={describe}
        find={(frame, px) => nearest(steps, x.low + ((px - frame.x(x.low)) / (frame.width - frame.x(x.low))) * x.high)}
      >
        {(frame) => (
          <>
            {Array.from(marks, (step) => (
              <line
                key={step}
                class="mark"
                x1={frame.x(step)}
                x2={frame.x(step)}
                y1={frame.y(y.high)}
                y2={frame.height}
              />
            ))}
            {cursor.value !== null && n > 0 && (
              <line
                class="cursor"
                x1={frame.x(steps[at] as number)}
                x2={frame.x(steps[at] as number)}
                y1={frame.y(y.high)}
                y2={frame.height}
              />
            )}
            {[...lines.entries()].reverse().map(([i, line]) => (
              <path key={line.name} class={`curve l${Math.min(i, 3)}`} d={path(steps, line.values, frame, log)} />
            ))}
            {n > 0 &&
              lines.map((line, i) => {
                const here = line.values[at] as number;
                return (log && here <= 0) || place(y, here) < -0.01 ? null : (
                  <circle
                    key={line.name}
                    class={i === 0 ? "dot" : "dot minor"}
                    cx={frame.x(steps[at] as number)}
                    cy={frame.y(here)}
                    r={i === 0 ? 4 : 3}
                  />
                );
              })}
          </>
        )}
      </Plot>
    </div>
  );
}
