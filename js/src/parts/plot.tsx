// The frame of every chart: axes with ticks, as wide as there is room, with a cursor for pointer and keyboard.
import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { type Axis, place } from "../scale";
import * as words from "../words/frame";

/** From values to px. */
export interface Frame {
  x: (value: number) => number;
  y: (value: number) => number;
  width: number;
  height: number;
}

interface Props {
  x: Axis;
  y: Axis;
  tickX: (value: number) => string;
  tickY: (value: number) => string;
  /** Written at the right end of the x axis. */
  nameX?: string;
  height?: number;
  /** What the chart shows, in one sentence. */
  summary: string;
  /** Number of points that the cursor steps through. */
  points: number;
  cursor: Signal<number | null>;
  /** The point under the cursor, in words. */
  describe: (point: number) => string;
  /** The point nearest to a place in px. */
  find: (frame: Frame, x: number, y: number) => number;
  children: (frame: Frame) => ComponentChildren;
}

const BOTTOM = 20;
const TOP = 8;
const CHARACTER = 6.2;
/** Before the first measure, and where nothing can be measured. */
const WIDTH = 320;

/** Width of an element in px, kept up to date. */
function useWidth(element: { current: Element | null }): number {
  const width = useSignal(WIDTH);
  useLayoutEffect(() => {
    if (!element.current) return;
    const measure = () => {
      const now = element.current?.getBoundingClientRect().width ?? 0;
      if (now > 0) width.value = Math.round(now);
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return width.value;
}

export function Plot({ x, y, tickX, tickY, nameX, height = 130, summary, ...rest }: Props) {
  const { points, cursor, describe, find, children } = rest;
  const box = useRef<HTMLDivElement>(null);
  const total = useWidth(box);
  const left = Math.ceil(Math.max(2, ...y.ticks.map((tick) => tickY(tick).length)) * CHARACTER + 8);
  const width = Math.max(40, total - left - 8);
  const frame: Frame = {
    x: (value) => left + place(x, value) * width,
    y: (value) => TOP + (1 - place(y, value)) * height,
    width: left + width,
    height: TOP + height,
  };
  const step = (to: number) => {
    cursor.value = Math.max(0, Math.min(points - 1, to));
  };
  const key = (event: KeyboardEvent) => {
    const at = cursor.value ?? points - 1;
    const moves: Record<string, number> = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1 };
    const to = { ...moves, Home: 0, End: points - 1, PageUp: at + 10, PageDown: at - 10 }[event.key];
    if (event.key === "Escape" && cursor.value !== null) cursor.value = null;
    else if (to !== undefined && points > 0) step(to);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const move = (event: PointerEvent) => {
    const bounds = box.current?.getBoundingClientRect();
    if (bounds && points > 0) step(find(frame, event.clientX - bounds.left, event.clientY - bounds.top));
  };
  const at = cursor.value;
  const here = at === null || at >= points ? points - 1 : at;
  return (
    <div
      ref={box}
      class="plot"
      role="slider"
      tabIndex={0}
      aria-label={summary}
      aria-readonly="true"
      aria-valuemin={0}
      aria-valuemax={Math.max(0, points - 1)}
      aria-valuenow={Math.max(0, here)}
      aria-valuetext={points > 0 ? describe(here) : words.noPoints}
      onKeyDown={key}
      onPointerMove={move}
      onPointerDown={move}
      onPointerLeave={(event) => {
        // A finger that is lifted leaves before it clicks.
        if (event.pointerType === "mouse") cursor.value = null;
      }}
      onBlur={() => {
        cursor.value = null;
      }}
    >
      <svg aria-hidden="true" width={total} height={frame.height + BOTTOM}>
        <g class="grid">
          {y.ticks.map((tick) => (
            <g key={tick}>
              <line x1={left} x2={frame.width} y1={frame.y(tick)} y2={frame.y(tick)} />
              <text x={left - 6} y={frame.y(tick) + 4} text-anchor="end">
                {tickY(tick)}
              </text>
            </g>
          ))}
        </g>
        {x.ticks.length > 0 && <line class="axis" x1={left} x2={frame.width} y1={frame.height} y2={frame.height} />}
        <g>
          {thinned(x.ticks, frame, tickX).map((tick) => (
            <text key={tick} x={frame.x(tick)} y={frame.height + 15} text-anchor={anchor(frame.x(tick), left, frame)}>
              {tickX(tick)}
            </text>
          ))}
          {nameX && (
            <text class="namex" x={frame.width} y={frame.height + 15} text-anchor="end">
              {nameX}
            </text>
          )}
        </g>
        {children(frame)}
      </svg>
    </div>
  );
}

/** Labels at the ends stay inside. */
const anchor = (x: number, left: number, frame: Frame): "start" | "middle" | "end" =>
  x < left + 12 ? "start" : x > frame.width - 12 ? "end" : "middle";

/** Ticks whose labels do not touch. */
function thinned(ticks: readonly number[], frame: Frame, label: (value: number) => string): number[] {
  const kept: number[] = [];
  for (const tick of ticks) {
    const before = kept.at(-1);
    const room = (label(tick).length + (before === undefined ? 0 : label(before).length)) * (CHARACTER / 2) + 14;
    if (before === undefined || frame.x(tick) - frame.x(before) >= room) kept.push(tick);
  }
  return kept;
}
