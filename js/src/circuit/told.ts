// A circuit graph in words.
import type { CircuitPayload } from "../payloads";
import { plain } from "../signs";
import * as words from "../words/circuit";
import { CHANGED, ERROR, FEATURE, GONE, LOGIT, labelOf, NEW, rowName, shareOf, wordAt } from "./kinds";
import type { CircuitState } from "./state";

/** What the picture shows, for those who hear it. */
export function summaryOf(state: CircuitState, payload: CircuitPayload): string {
  const shown = state.visible.value;
  const places = payload.nodes;
  const n = shown ? places.kind.reduce((sum, kind, i) => sum + (kind <= 1 && shown.nodes[i] ? 1 : 0), 0) : 0;
  const parts = [words.graphOf(plain(payload.prompt, 120)), words.nodesAndEdges(n, shown?.edges.length ?? 0)];
  const path = strongest(state, payload);
  if (path.length > 1)
    parts.push(words.strongestPath(path.map((one) => labelOf(payload, state.marks.value.names, one)).join(", ")));
  const pinned = state.units.value.map(({ label }) => label);
  if (pinned.length) parts.push(words.pinned(pinned.slice(0, 8).join(", ")));
  if (payload.edits) parts.push(words.under(plain(payload.edits, 120)));
  return `${parts.join("; ")}. ${words.howToWalk}`;
}

/** From a token to the target of greatest weight, each time by the strongest raising edge. */
function strongest(state: CircuitState, payload: CircuitPayload): number[] {
  const side = state.sideNow();
  const links = state.links.value;
  let here = -1;
  side.weight.forEach((weight, n) => {
    if (weight > (side.weight[here] ?? 0)) here = n;
  });
  const path: number[] = [];
  while (here >= 0 && links && path.length < payload.rows.length) {
    path.unshift(here);
    let best = -1;
    for (const e of links.into(here)) {
      if (shareOf(payload, side, e) > 0 && (best < 0 || shareOf(payload, side, e) > shareOf(payload, side, best)))
        best = e;
    }
    here = best < 0 ? -1 : (payload.source[best] ?? -1);
  }
  return path;
}

/** Numbers of a node in words. */
export function detailOf(state: CircuitState, n: number): string {
  const payload = state.payload.value;
  if (!payload) return "";
  const { kind, position, density, status, row } = payload.nodes;
  const side = state.sideNow();
  const parts = [`${position[n]} ${wordAt(payload, position[n] ?? 0)}`];
  if (kind[n] === FEATURE || kind[n] === ERROR) parts.unshift(rowName(payload, row[n]));
  if (kind[n] === FEATURE) parts.push(words.active(side.activation[n] ?? 0));
  parts.push(words.influential(side.influence[n] ?? 0));
  if (kind[n] === FEATURE) parts.push(words.activeAt(density[n] ?? 0));
  if (payload.before && kind[n] !== LOGIT) {
    const was = words.was(payload.before.influence[n] ?? 0);
    const news: Record<number, string> = { [CHANGED]: was, [NEW]: words.added, [GONE]: words.gone };
    const said = news[status[n] ?? 0];
    if (said) parts.push(said);
  }
  return parts.join(" · ");
}
