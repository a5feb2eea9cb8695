// Keys of the graph: walking over nodes, and what is done to the one in hand.

import { shareOf, sideOf } from "./kinds";
import type { CircuitView } from "./view";

/** The neighbour of a node: beside it in its row, or along its strongest edge. */
export function neighbour(view: CircuitView, key: string): number {
  const { state } = view;
  const payload = state.payload.value;
  const [shown, places, links] = [state.visible.value, state.places.value, state.links.value];
  if (!payload || !shown || !places || !links) return -1;
  const here = state.selected.value;
  const { row } = payload.nodes;
  const visible = [...row.keys()].filter((n) => shown.nodes[n]);
  if (here < 0 || !shown.nodes[here]) return visible.at(-1) ?? -1;
  if (key === "ArrowLeft" || key === "ArrowRight") {
    const own = visible.filter((n) => row[n] === row[here]);
    own.sort((a, b) => (places.x[a] as number) - (places.x[b] as number));
    return own[own.indexOf(here) + (key === "ArrowLeft" ? -1 : 1)] ?? -1;
  }
  const up = key === "ArrowUp";
  const side = sideOf(payload, state.side.value);
  let best = -1;
  let most = 0;
  for (const e of up ? links.out(here) : links.into(here)) {
    const share = Math.abs(shareOf(payload, side, e));
    if (share > most) [best, most] = [(up ? payload.target : payload.source)[e] as number, share];
  }
  return best;
}

/** Keys while the graph has the focus; returns whether the key was one. */
export function graphKey(view: CircuitView, event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const { state } = view;
  const { key } = event;
  const id = state.selection.value;
  if (key.startsWith("Arrow")) {
    const next = neighbour(view, key);
    if (next >= 0) {
      state.select(state.payload.value?.nodes.id[next] ?? "");
      view.centre(next);
      view.tell(next);
    }
  } else if (key === " " && event.shiftKey) view.pick(id);
  else if (key === " ") view.pin();
  else if (key === "g") view.focus("group");
  else if (key === "l") view.focus("label");
  else if (key === "x") view.ablate();
  else if (key === "Enter") view.open();
  else if (key === "+" || key === "=") view.zoom(1.5);
  else if (key === "-") view.zoom(1 / 1.5);
  else if (key === "0") view.zoom(0);
  else if (key === "o") view.turn();
  else if (key === "f") view.grow();
  else if (key === "Escape" && (id || state.picked.value.length)) {
    state.picked.value = [];
    state.select("");
  } else return false;
  return true;
}
