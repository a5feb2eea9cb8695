// What the parts of one mounted view share.
import { type Signal, signal } from "@preact/signals";
import type { HeatmapState } from "./model";

/** The token under the pointer, and where it is drawn. */
export interface Hover {
  token: number;
  box: DOMRect;
}

export interface View {
  state: HeatmapState;
  /** The element all parts are drawn in. */
  root: HTMLElement;
  hover: Signal<Hover | null>;
  editing: Signal<boolean>;
  help: Signal<boolean>;
  /** What a screen reader is told. */
  said: Signal<string>;
  focusSearch: () => void;
  focusStrip: () => void;
  /** Aborts when the view goes. */
  signal: AbortSignal;
}

export const makeView = (state: HeatmapState, root: HTMLElement, ended: AbortSignal): View => ({
  state,
  root,
  hover: signal<Hover | null>(null),
  editing: signal(false),
  help: signal(false),
  said: signal(""),
  focusSearch: () => root.querySelector<HTMLElement>(".search input")?.focus(),
  focusStrip: () => root.querySelector<HTMLElement>("[data-strip]")?.focus(),
  signal: ended,
});

/** Why editing is off, or "" when it is on. */
export function disabledReason(state: HeatmapState): string {
  if (!state.live.value) return "A saved picture: editing needs a live model.";
  if (state.requests.silent.value) return "The kernel does not answer. Is it busy, or gone?";
  return "";
}
