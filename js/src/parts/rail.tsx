// Above a long prompt: the greatest value of each slice, and a frame that is the window.
import type { Signal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { count } from "../format";
import type { Fill } from "../look";
import { hue } from "../palette";

/** Slices of the rail, 4 units each. */
export const SLICES = 250;
const HEIGHT = 30;

/** Greatest value of each slice, as a share of the maximum. */
export function slices(values: ArrayLike<number>, maximum: number, n = SLICES): number[] {
  const most = new Array<number>(Math.min(n, values.length)).fill(0);
  // Position 0 is never filled, so it must not rule the first slice.
  for (let t = 1; t < values.length; t++) {
    const slice = Math.floor((t * most.length) / values.length);
    most[slice] = Math.max(most[slice] as number, values[t] as number);
  }
  return most.map((value) => Math.min(1, maximum > 0 ? value / maximum : 0));
}

interface Props {
  fill: Fill;
  after: boolean;
  length: number;
  shown: Signal<[number, number]>;
  go: (token: number) => void;
}

export function Rail({ fill, after, length, shown, go }: Props) {
  const box = useRef<SVGSVGElement>(null);
  const values = after && fill.after ? fill.after : fill.before;
  const path = useMemo(() => {
    const bars = slices(values, fill.maximum);
    return bars
      .map((share, i) => `M${i * 4} ${HEIGHT}v${-Math.max(1, Math.round(share * (HEIGHT - 2)))}h3v${HEIGHT}z`)
      .join("");
  }, [values, fill.maximum]);
  const width = Math.min(SLICES, length) * 4;
  const point = (event: PointerEvent) => {
    const bounds = box.current?.getBoundingClientRect();
    if (!bounds || (event.type === "pointermove" && event.buttons !== 1)) return;
    go(Math.round(Math.max(0, Math.min(1, (event.clientX - bounds.left) / bounds.width)) * (length - 1)));
  };
  const [first, last] = shown.value;
  const x = (token: number) => (token / Math.max(1, length)) * width;
  return (
    <div class="rail" aria-hidden="true">
      <svg
        aria-hidden="true"
        ref={box}
        class={fill.slot === null ? "amber" : hue(fill.slot)}
        viewBox={`0 -2 ${width} ${HEIGHT + 4}`}
        preserveAspectRatio="none"
        onPointerDown={point}
        onPointerMove={point}
      >
        <path class="bars" d={path} />
        <rect class="frame" x={x(first)} y={-1} width={Math.max(6, x(last) - x(first))} height={HEIGHT + 2} />
      </svg>
      <div class="sub ends">
        <span>0</span>
        <span class="i2">
          {count(first)}–{count(last)}
        </span>
        <span>{count(length - 1)}</span>
      </div>
    </div>
  );
}
