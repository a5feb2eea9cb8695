// What the parts of a circuit graph ask of each other.
import { type Signal, signal } from "@preact/signals";
import { CHARTS } from "../css/charts";
import css from "../css/circuit.css";
import { type BaseView, makeBaseView } from "../view";
import * as words from "../words/circuit";
import { FEATURE, featureOf, labelOf } from "./kinds";
import type { CircuitState } from "./state";
import { detailOf, summaryOf } from "./told";

export interface CircuitView extends BaseView<CircuitState> {
  full: Signal<boolean>;
  /** Nodes have been painted: what would have kept them waiting can come. */
  late: Signal<boolean>;
  grouping: Signal<boolean> | null;
  zoom: (factor: number) => void;
  centre: (n: number) => void;
  summary: () => string;
  /** Ids that an action is done to: the node in hand and those chosen beside it. */
  chosen: () => string[];
  press: (n: number, control: boolean, shift: boolean) => void;
  pick: (id: string) => void;
  /** Take the node through which most passes into the hand. */
  take: (nodes: readonly number[]) => void;
  pin: () => void;
  ablate: () => void;
  open: () => void;
  turn: () => void;
  grow: () => void;
  tell: (n: number) => void;
  focus: (part: "graph" | "find" | "label" | "group") => void;
}

export function makeView(state: CircuitState, root: HTMLElement, ended: AbortSignal): CircuitView {
  const find = (selector: string) => root.querySelector<HTMLElement>(selector);
  const id = (n: number) => state.payload.value?.nodes.id[n] ?? "";
  const view: CircuitView = {
    ...makeBaseView(state, root, ended, [css, ...CHARTS]),
    full: signal(false),
    late: signal(false),
    grouping: null,
    zoom: () => {},
    centre: () => {},
    summary: () => (state.payload.value ? summaryOf(state, state.payload.value) : ""),
    chosen: () => [...new Set([...(state.selection.value ? [state.selection.value] : []), ...state.picked.value])],
    press: (n, control, shift) => {
      if (n < 0) {
        if (!control && !shift) state.picked.value = [];
        return;
      }
      if (control) state.pin([id(n)]);
      else if (shift) view.pick(id(n));
      else {
        state.picked.value = [];
        state.select(id(n));
      }
    },
    pick: (one) => {
      const { picked } = state;
      if (one)
        picked.value = picked.value.includes(one)
          ? picked.value.filter((other) => other !== one)
          : [...picked.value, one];
    },
    take: (nodes) => {
      const side = state.sideNow();
      const best = [...nodes].sort((a, b) => (side.influence[b] ?? 0) - (side.influence[a] ?? 0))[0];
      if (best === undefined) return;
      state.select(id(best));
      view.centre(best);
      view.tell(best);
    },
    pin: () => {
      const ids = view.chosen();
      if (ids.length) state.pin(ids);
      view.said.value = words.nowPinned(state.marks.value.pinned.length);
    },
    ablate: () => {
      if (state.live.value) state.ablate(view.chosen().flatMap((one) => state.number.value.get(one) ?? []));
    },
    open: () => {
      const n = state.selected.value;
      if (state.live.value && state.payload.value?.nodes.kind[n] === FEATURE) state.open(featureOf(id(n)));
    },
    turn: () => {
      const sides = ["now", "before", "both"];
      if (state.payload.value?.before) state.setSide(sides[(sides.indexOf(state.side.value) + 1) % 3] ?? "now");
    },
    grow: () => grow(view),
    tell: (n) => {
      const payload = state.payload.value;
      if (payload) view.said.value = `${labelOf(payload, state.marks.value.names, n)}, ${detailOf(state, n)}`;
    },
    focus: (part) => {
      if (part === "group") {
        if (view.grouping) view.grouping.value = true;
      } else find(part === "graph" ? "[data-graph]" : `[data-focus=${part}]`)?.focus();
    },
  };
  return view;
}

/** The whole screen, or back. Where a browser has none, the view fills the window. */
async function grow(view: CircuitView): Promise<void> {
  const { root } = view;
  const leave = document.fullscreenElement !== null || root.classList.contains("full");
  try {
    if (leave) await document.exitFullscreen();
    else await root.requestFullscreen();
  } catch {
    // The class below does what it can.
  }
  root.classList.toggle("full", !leave);
  view.full.value = !leave;
}
