// Drags over the plots of a table.
import { useRef } from "preact/hooks";
import type { Frame } from "../parts/plot";

/** Nearer than this to where it began, a drag is a click. */
export const CLICK = 4;
/** Of every plot over a table, px. */
export const HEIGHT = 168;

export interface Dragged {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/** Drags over a plot, in px from its left top corner. */
export function useDrag(act: (frame: Frame, drag: Dragged, done: boolean) => void) {
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
