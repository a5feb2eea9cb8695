// The line between two panels: dragged, or moved with the arrow keys.
import { useRef } from "preact/hooks";
import type { BaseView } from "../view";
import { type ExplorerState, NARROWEST, WIDEST } from "./state";

const STEP = 0.02;

interface Props {
  view: BaseView<ExplorerState>;
  /** Which of the widths: of the features, of the predictions to the right, of the focused feature. */
  index: number;
  label: string;
}

export function Divider({ view, index, label }: Props) {
  const { state } = view;
  const from = useRef<[number, number] | null>(null);
  const value = state.widths.value[index] ?? 0;
  // The predictions lie to the right of their line.
  const sign = index === 1 ? -1 : 1;
  const put = (to: number, keep: boolean) => {
    const other = index === 0 ? 1 : index === 1 ? 0 : -1;
    const most = Math.min(WIDEST, other < 0 ? WIDEST : WIDEST - (state.widths.value[other] ?? 0));
    const next = [...state.widths.value];
    next[index] = Math.round(1e4 * Math.max(NARROWEST, Math.min(most, to))) / 1e4;
    if (keep) state.set("widths", next);
    else state.widths.value = next;
  };
  return (
    <div
      class="divider"
      role="separator"
      tabIndex={0}
      aria-orientation="vertical"
      aria-label={label}
      aria-valuemin={Math.round(100 * NARROWEST)}
      aria-valuemax={Math.round(100 * WIDEST)}
      aria-valuenow={Math.round(100 * value)}
      onPointerDown={(event) => {
        from.current = [event.clientX, value];
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        const wide = event.currentTarget.parentElement?.clientWidth ?? 0;
        if (from.current && wide) put(from.current[1] + (sign * (event.clientX - from.current[0])) / wide, false);
      }}
      onPointerUp={() => {
        if (from.current) put(state.widths.value[index] ?? value, true);
        from.current = null;
      }}
      onKeyDown={(event) => {
        const by = event.key === "ArrowRight" ? sign : event.key === "ArrowLeft" ? -sign : 0;
        if (!by) return;
        put(value + by * STEP, true);
        event.preventDefault();
        event.stopPropagation();
      }}
    />
  );
}
