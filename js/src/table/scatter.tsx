// Two statistics against each other, a dot a feature: the scores, and the decoder map; a drag filters the rows.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { probability } from "../format";
import { hue, letter } from "../palette";
import { type Frame, Plot } from "../parts/plot";
import type { Statistic, TablePoints } from "../payloads";
import { type Axis, tickLabel } from "../scale";
import { plain } from "../signs";
import type { TableView } from "../views/featuretable";
import * as words from "../words/table";
import { titleOf } from "./cells";
import { CLICK, HEIGHT, useDrag } from "./drag";

/** Above the middle of both scores a feature reads, or says. */
const HALF = 0.5;
/** A click opens a dot that is nearer than this, px. */
const NEAR = 12;

interface ScatterProps {
  view: TableView;
  points: TablePoints;
  x: Statistic;
  y: Statistic;
}

type Choose = (x0: number, x1: number, y0: number, y1: number, soon: boolean) => void;

interface CloudProps {
  view: TableView;
  points: TablePoints;
  x: Axis;
  y: Axis;
  heading: string;
  /** What to do here. */
  hint: string;
  summary: string;
  describe: (point: number) => string;
  /** A box was dragged, in units of the axes. */
  choose: Choose;
  /** A place was clicked, so far from the nearest dot, px. */
  click: (x: number, y: number, nearest: number, far: number) => void;
  under?: (frame: Frame) => ComponentChildren;
  over?: (frame: Frame) => ComponentChildren;
}

const inverse = ({ low, high }: Axis, scale: (value: number) => number, px: number): number =>
  low + ((px - scale(low)) / (scale(high) - scale(low))) * (high - low);

/** Dots with a cursor: those that fit are dark, the chosen ones have their letters. */
function Cloud({ view, points, x, y, heading, hint, summary, describe, choose, click, under, over }: CloudProps) {
  const { state } = view;
  const cursor = useSignal<number | null>(null);
  const n = points.index.length;
  const at = cursor.value !== null && cursor.value < n ? cursor.value : null;
  const { frame, handlers } = useDrag((frame, { x0, y0, x1, y1 }, done) => {
    const toX = (px: number) => inverse(x, frame.x, px);
    const toY = (px: number) => inverse(y, frame.y, px);
    if (Math.hypot(x1 - x0, y1 - y0) > CLICK) choose(toX(x0), toX(x1), toY(y0), toY(y1), !done);
    else {
      const dot = nearest(frame, x1, y1);
      const [cx, cy] = place(frame, dot);
      click(toX(x1), toY(y1), dot, Math.hypot(cx - x1, cy - y1));
    }
  });
  const place = (drawn: Frame, i: number) => [drawn.x(points.x[i] as number), drawn.y(points.y[i] as number)] as const;
  const dots = (fit: boolean, drawn: Frame): string =>
    Array.from(points.index, (_, i) => {
      if (Boolean(points.fit[i]) !== fit) return "";
      const [cx, cy] = place(drawn, i);
      return `M${cx.toFixed(1)} ${cy.toFixed(1)}h0`;
    }).join("");
  const nearest = (drawn: Frame, px: number, py: number): number => {
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < n; i++) {
      const [cx, cy] = place(drawn, i);
      const far = Math.hypot(cx - px, cy - py);
      if (far < least) [best, least] = [i, far];
    }
    return best;
  };
  const some = points.total > n ? words.drawn(n, points.total) : hint;
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
        <h3>{heading}</h3> <span class="sub">{at !== null ? describe(at) : some}</span>
      </div>
      <Plot
        x={x}
        y={y}
        tickX={tickLabel}
        tickY={tickLabel}
        height={HEIGHT}
        summary={words.readByKeys(summary)}
        points={n}
        cursor={cursor}
        describe={describe}
        find={nearest}
      >
        {(drawn) => {
          frame.current = drawn;
          return (
            <>
              {under?.(drawn)}
              <path class="dots" d={dots(false, drawn)} />
              <path class="dots dark-dots" d={dots(true, drawn)} />
              {over?.(drawn)}
              {at !== null && <circle class="ring thin" cx={place(drawn, at)[0]} cy={place(drawn, at)[1]} r={6} />}
              {Array.from(points.index, (index, i) => {
                const slot = state.chosen.value.indexOf(state.id(index));
                if (slot < 0) return null;
                const [cx, cy] = place(drawn, i);
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
    </div>
  );
}

/** "feature 17", with its label where it has one. */
function name(points: TablePoints, i: number): string {
  const label = points.label[i];
  return words.feature(points.index[i] as number) + (label ? ` ${plain(label, 40)}` : "");
}

const UNIT: Axis = { low: 0, high: 1, log: false, ticks: [0, HALF, 1] };
const clamp = (value: number): number => Math.min(1, Math.max(0, value));

/** Input score against output score: a click takes a quarter, a drag a corner. */
export function Scatter({ view, points, x, y }: ScatterProps) {
  const { state } = view;
  const choose: Choose = (x0, x1, y0, y1, soon) => {
    const round = (value: number) => Math.round(clamp(value) * 100) / 100;
    const range = (a: number, b: number) => {
      const [low, high] = [round(Math.min(a, b)), round(Math.max(a, b))];
      return { low: low > 0 ? low : null, high: high < 1 ? high : null };
    };
    state.boundBoth({ name: x.name, ...range(x0, x1) }, { name: y.name, ...range(y0, y1) }, soon);
  };
  const click = (px: number, py: number) => {
    const [right, up] = [px >= HALF, py >= HALF];
    const same = state.filter(x.name)?.[right ? "low" : "high"] === HALF;
    if (same && state.filter(y.name)?.[up ? "low" : "high"] === HALF) choose(0, 1, 0, 1, false);
    else choose(right ? HALF : 0, right ? 1 : HALF, up ? HALF : 0, up ? 1 : HALF, false);
  };
  const describe = (i: number) =>
    `${name(points, i)}: ${titleOf(x)} ${probability(points.x[i] ?? 0)}, ${titleOf(y)} ${probability(points.y[i] ?? 0)}`;
  const fx = state.filter(x.name);
  const fy = state.filter(y.name);
  const both = (fx?.low ?? 0) >= HALF && (fy?.low ?? 0) >= HALF;
  return (
    <div>
      <Cloud
        view={view}
        points={points}
        x={UNIT}
        y={UNIT}
        heading={words.scoresHeading}
        hint={words.dragCorner}
        summary={words.scoresOf(titleOf(y), titleOf(x), points.index.length)}
        describe={describe}
        choose={choose}
        click={click}
        under={(drawn) => (
          <>
            {(fx || fy) && <Corner drawn={drawn} x={[fx?.low ?? 0, fx?.high ?? 1]} y={[fy?.low ?? 0, fy?.high ?? 1]} />}
            <line class="half" x1={drawn.x(HALF)} x2={drawn.x(HALF)} y1={drawn.y(1)} y2={drawn.y(0)} />
          </>
        )}
        over={(drawn) => (
          <>
            <text class="word" x={drawn.x(0) + 6} y={drawn.y(1) + 12}>
              {words.says}
            </text>
            <text class={both ? "word on" : "word"} x={drawn.x(1) - 6} y={drawn.y(1) + 12} text-anchor="end">
              {words.readsAndSays}
            </text>
            <text class="word" x={drawn.x(1) - 6} y={drawn.y(0) - 6} text-anchor="end">
              {words.reads}
            </text>
          </>
        )}
      />
      <div class="sub axes">
        <span>{words.scoreUp(titleOf(y))}</span>
        <span>{words.scoreRight(titleOf(x))}</span>
      </div>
    </div>
  );
}

/** What the filters of a cloud leave in. */
function Corner({ drawn, x, y }: { drawn: Frame; x: [number, number]; y: [number, number] }) {
  const [left, top] = [drawn.x(x[0]), drawn.y(y[1])];
  const [width, height] = [drawn.x(x[1]) - left, drawn.y(y[0]) - top];
  return <rect class="corner" x={left} y={top} width={Math.max(0, width)} height={Math.max(0, height)} />;
}

/** A bare axis with room for the outermost dots: a map has no scale. */
const bare = ({ low, high }: Statistic): Axis => {
  const room = (high - low || 1) * 0.04;
  return { low: low - room, high: high + room, log: false, ticks: [] };
};

/** Decoder directions in two dimensions: a drag takes a region, a click opens a feature or lets the region go. */
export function DecoderMap({ view, points, x, y }: ScatterProps) {
  const { state } = view;
  const [ax, ay] = [bare(x), bare(y)];
  const choose: Choose = (x0, x1, y0, y1, soon) =>
    state.boundBoth(
      { name: x.name, low: Math.min(x0, x1), high: Math.max(x0, x1) },
      { name: y.name, low: Math.min(y0, y1), high: Math.max(y0, y1) },
      soon,
    );
  const click = (_x: number, _y: number, nearest: number, far: number) => {
    const id = state.id(points.index[nearest] as number);
    if (far < NEAR && state.canOpen(id)) state.open(id);
    else state.boundBoth({ name: x.name, low: null, high: null }, { name: y.name, low: null, high: null });
  };
  const [fx, fy] = [state.filter(x.name), state.filter(y.name)];
  return (
    <Cloud
      view={view}
      points={points}
      x={ax}
      y={ay}
      heading={words.decoderMap}
      hint={words.mapHint}
      summary={words.mapOf(points.index.length)}
      describe={(i) => name(points, i)}
      choose={choose}
      click={click}
      under={(drawn) =>
        (fx || fy) && (
          <Corner
            drawn={drawn}
            x={[fx?.low ?? ax.low, fx?.high ?? ax.high]}
            y={[fy?.low ?? ay.low, fy?.high ?? ay.high]}
          />
        )
      }
    />
  );
}
