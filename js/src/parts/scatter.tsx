// Dictionaries by L0 and fidelity: a mark an architecture, whiskers, the frontier, baselines as broken lines.
import { type Signal, useSignal } from "@preact/signals";
import { quantity } from "../format";
import type { Estimate, FrontierPayload, FrontierPoint } from "../payloads";
import { type Axis, linear, logarithmic, range, tickLabel } from "../scale";
import { plain } from "../signs";
import * as words from "../words/frame";
import { type Frame, Plot } from "./plot";
import { intervalOf } from "./report";

export const DICTIONARY = "dictionary";
type BaselineKind = keyof typeof words.baselines;
export const BASELINES = Object.keys(words.baselines) as BaselineKind[];
/** What is drawn upwards, by its key. */
export const nameOf = (payload: FrontierPayload, y: string): string =>
  y === "CE" ? plain(payload.ce_name, 40) : "FVU";
/** Shapes of marks, one for each architecture in order of appearance; the last for all further ones. */
const SHAPES = 6;

export interface Placed {
  point: FrontierPoint;
  x: number;
  y: Estimate;
}

/** What is drawn, by rising L0: a baseline that keeps nothing has no place on a logarithmic axis. */
export function placed(payload: FrontierPayload, y: string, log: boolean): Placed[] {
  return payload.points
    .flatMap((point) => {
      const estimate = y === "CE" ? point.ce : point.fvu;
      return estimate && (!log || point.l0.value > 0) ? [{ point, x: point.l0.value, y: estimate }] : [];
    })
    .sort((a, b) => a.x - b.x);
}

/** Both axes, so that every whisker is inside. */
export function axes(shown: readonly Placed[], y: string, log: boolean): { x: Axis; y: Axis } {
  const xs = shown.flatMap(({ point: { l0 } }) => [l0.value, l0.low ?? l0.value, l0.high ?? l0.value]);
  const ys = shown.flatMap(({ y }) => [y.value, y.low ?? y.value, y.high ?? y.value]);
  const [left, right] = range(xs, log) ?? [1, 100];
  const [low, high] = range(ys) ?? [0, 1];
  return {
    x: log ? logarithmic(left / 1.25, right * 1.25, 6) : linear(0, right * 1.05, 6),
    y: linear(y === "CE" ? low : Math.min(0, low), high, 5),
  };
}

/** Architectures of the dictionaries, in order of appearance: the legend, and which has which mark. */
export const architectures = (points: readonly FrontierPoint[]): string[] => [
  ...new Set(points.filter(({ kind }) => kind === DICTIONARY).map(({ architecture }) => architecture)),
];

/** The outline of a mark around a place. */
export function shape(kind: number, x: number, y: number, r: number): string {
  const at = (dx: number, dy: number) => `${(x + dx * r).toFixed(1)} ${(y + dy * r).toFixed(1)}`;
  const polygon = (...corners: [number, number][]) => `M${corners.map(([dx, dy]) => at(dx, dy)).join("L")}Z`;
  switch (Math.min(kind, SHAPES - 1)) {
    case 0:
      return `M${at(-1, 0)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
    case 1:
      return polygon([-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]);
    case 2:
      return polygon([0, -1.2], [1.1, 0.8], [-1.1, 0.8]);
    case 3:
      return polygon([0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]);
    case 4:
      return polygon([0, 1.2], [1.1, -0.8], [-1.1, -0.8]);
    default:
      return polygon(
        [-0.4, -1.2],
        [0.4, -1.2],
        [0.4, -0.4],
        [1.2, -0.4],
        [1.2, 0.4],
        [0.4, 0.4],
        [0.4, 1.2],
        [-0.4, 1.2],
        [-0.4, 0.4],
        [-1.2, 0.4],
        [-1.2, -0.4],
        [-0.4, -0.4],
      );
  }
}

/** A mark by itself, for legend and table. */
export function Mark({ kind }: { kind: number }) {
  return (
    <svg class="mk" aria-hidden="true" width="14" height="14">
      <path class="mark-own" d={shape(kind, 7, 7, 4.5)} />
    </svg>
  );
}

/** One point in words. */
export const inWords = ({ point, y }: Placed, axis: string): string =>
  `${plain(point.name, 80)}: L0 ${quantity(point.l0.value, "")}, ${axis} ${quantity(y.value, "")} ${intervalOf(y)}`.trim();

interface Props {
  payload: FrontierPayload;
  y: string;
  log: boolean;
  selected: Signal<string>;
  choose: (name: string) => void;
}

const line = (points: readonly Placed[], frame: Frame): string =>
  points.map(({ x, y }, i) => `${i ? "L" : "M"}${frame.x(x).toFixed(1)} ${frame.y(y.value).toFixed(1)}`).join("");

export function Scatter({ payload, y, log, selected, choose }: Props) {
  const cursor = useSignal<number | null>(null);
  const shown = placed(payload, y, log);
  const axis = axes(shown, y, log);
  const kinds = architectures(payload.points);
  const names = new Set(Array.from(y === "CE" ? payload.front_ce : payload.front_fvu, (i) => payload.points[i]?.name));
  const front = shown.filter(({ point }) => names.has(point.name));
  const own = shown.filter(({ point }) => point.kind === DICTIONARY);
  const at = cursor.value === null ? undefined : shown[cursor.value];
  const take = (index: number | null) => {
    const here = index === null ? undefined : shown[index];
    if (here) choose(here.point.name);
  };
  const name = nameOf(payload, y);
  return (
    <div
      class={at ? "scatter pointing" : "scatter"}
      onClick={() => take(cursor.value)}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        take(cursor.value ?? shown.length - 1);
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      <div class="charthead">
        <h3>{words.againstL0(name)}</h3>
        <span class="sub">{at ? inWords(at, name) : y === "CE" ? words.topLeft : words.bottomLeft}</span>
      </div>
      <Plot
        x={axis.x}
        y={axis.y}
        tickX={tickLabel}
        tickY={tickLabel}
        height={300}
        summary={words.frontier(name, own.length, front.length)}
        points={shown.length}
        cursor={cursor}
        describe={(i) => (shown[i] ? inWords(shown[i], name) : "")}
        find={(frame, px, py) => closest(shown, frame, px, py)}
      >
        {(frame) => (
          <>
            {BASELINES.map((kind) => (
              <Baseline
                key={kind}
                kind={kind}
                points={shown.filter(({ point }) => point.kind === kind)}
                frame={frame}
              />
            ))}
            <path class="front" d={line(front, frame)} />
            {own.map((entry) => (
              <Whiskers key={entry.point.name} entry={entry} frame={frame} />
            ))}
            {own.map(({ point, x, y }) => (
              <path
                key={point.name}
                class={names.has(point.name) ? "mark-own" : "mark-own behind"}
                d={shape(kinds.indexOf(point.architecture), frame.x(x), frame.y(y.value), 4.5)}
              />
            ))}
            {shown
              .filter(({ point }) => point.name === selected.value)
              .map(({ x, y }) => (
                <circle key="selected" class="ring" cx={frame.x(x)} cy={frame.y(y.value)} r={9} />
              ))}
            {at && <circle class="ring thin" cx={frame.x(at.x)} cy={frame.y(at.y.value)} r={9} />}
          </>
        )}
      </Plot>
      <div class="sub namex">{words.l0Axis(log ? words.logarithmic : "")}</div>
    </div>
  );
}

/** The point nearest to a place on the screen. */
export function closest(shown: readonly Placed[], frame: Frame, px: number, py: number): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  shown.forEach(({ x, y }, i) => {
    const distance = Math.hypot(frame.x(x) - px, frame.y(y.value) - py);
    if (distance < least) [best, least] = [i, distance];
  });
  return best;
}

/** The cross of both intervals. */
function Whiskers({ entry: { point, x, y }, frame }: { entry: Placed; frame: Frame }) {
  const { low, high } = point.l0;
  const [cx, cy] = [frame.x(x), frame.y(y.value)];
  return (
    <g class="whisker">
      {y.low !== null && y.high !== null && <line x1={cx} x2={cx} y1={frame.y(y.low)} y2={frame.y(y.high)} />}
      {low !== null && high !== null && low > 0 && <line x1={frame.x(low)} x2={frame.x(high)} y1={cy} y2={cy} />}
    </g>
  );
}

function Baseline({ kind, points, frame }: { kind: string; points: readonly Placed[]; frame: Frame }) {
  return (
    <g class={`baseline ${family(kind)}`}>
      <path d={line(points, frame)} />
      {points.map((entry) => (
        <circle key={entry.point.name} cx={frame.x(entry.x)} cy={frame.y(entry.y.value)} r={2.5} />
      ))}
    </g>
  );
}

const family = (kind: string): string => kind.split(" ")[0] ?? "";

/** The line of a baseline and its name, for the legend. */
export function BaselineKey({ kind }: { kind: BaselineKind }) {
  return (
    <>
      <svg aria-hidden="true" class="dash" width="28" height="8">
        <g class={`baseline ${family(kind)}`}>
          <path d="M0 4h28" />
        </g>
      </svg>
      {words.baselines[kind]}
    </>
  );
}
