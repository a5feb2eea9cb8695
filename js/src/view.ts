// What the parts of one mounted view share.
import { type Signal, signal } from "@preact/signals";
import { STRIP } from "./css/strip";
import type { HeatmapState } from "./model";
import type { Payload } from "./payloads";
import type { Picture } from "./picture";
import { wear } from "./wear";
import * as words from "./words/heatmap";

/** The token under the pointer, and where it is drawn. */
export interface Hover {
  token: number;
  box: DOMRect;
}

/** What any view has. */
export interface BaseView<S extends Picture<Payload> = Picture<Payload>> {
  state: S;
  /** The element all parts are drawn in. */
  root: HTMLElement;
  help: Signal<boolean>;
  /** What a screen reader is told. */
  said: Signal<string>;
  /** Aborts when the view goes. */
  signal: AbortSignal;
}

/** What a heatmap has besides. */
export interface View extends BaseView<HeatmapState> {
  hover: Signal<Hover | null>;
  editing: Signal<boolean>;
  focusSearch: () => void;
  focusStrip: () => void;
}

/** A view in a root that wears these sheets besides those of every view. */
export function makeBaseView<S extends Picture<Payload>>(
  state: S,
  root: HTMLElement,
  ended: AbortSignal,
  sheets: readonly string[] = [],
): BaseView<S> {
  wear(root, sheets);
  return { state, root, help: signal(false), said: signal(""), signal: ended };
}

export const makeView = (state: HeatmapState, root: HTMLElement, ended: AbortSignal): View => ({
  ...makeBaseView(state, root, ended, STRIP),
  hover: signal<Hover | null>(null),
  editing: signal(false),
  focusSearch: () => root.querySelector<HTMLElement>(".search input")?.focus(),
  focusStrip: () => root.querySelector<HTMLElement>("[data-strip]")?.focus(),
});

/** Why editing is off, or "" when it is on. */
export function disabledReason(state: Picture<Payload>): string {
  if (!state.live.value) return words.savedPicture;
  if (state.requests.silent.value) return words.kernelSilent;
  return "";
}
