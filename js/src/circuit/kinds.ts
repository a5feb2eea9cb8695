// Words and numbers of a circuit that all its parts share.
import type { CircuitPayload, CircuitSide } from "../payloads";
import { plain, special } from "../signs";
import * as words from "../words/circuit";

export type { CircuitPayload, CircuitSide } from "../payloads";

export const [FEATURE, ERROR, TOKEN, LOGIT] = [0, 1, 2, 3] as const;
export const [SAME, CHANGED, NEW, GONE] = [0, 1, 2, 3] as const;

/** What a person did to a graph, as Python knows it. */
export interface Marks {
  pinned: string[];
  groups: { label: string; nodes: string[] }[];
  places: Record<string, [number, number]>;
  names: Record<string, string>;
}

export const NO_MARKS: Marks = { pinned: [], groups: [], places: {}, names: {} };

/** Marks out of a payload. */
export const marksOf = ({ marks }: CircuitPayload): Marks => ({
  pinned: [...marks.pinned],
  groups: marks.groups.map(({ label, nodes }) => ({ label, nodes: [...nodes] })),
  places: Object.fromEntries(marks.places.map(({ id, x, y }) => [id, [x, y]])),
  names: Object.fromEntries(marks.names.map(({ id, label }) => [id, label])),
});

/** The token at a position, as text on one line. */
export function wordAt(payload: CircuitPayload, position: number, side = "now"): string {
  const tokens = side === "before" && payload.tokens_before.length ? payload.tokens_before : payload.tokens;
  const text = tokens[position] ?? payload.tokens_before[position] ?? "";
  // A special token is named, as everywhere.
  return /^<.+>$/.test(text) ? `‹${plain(special(text), 24)}›` : plain(text.trim() || text, 40);
}

/** A feature's id: a node's without its position. */
export const featureOf = (id: string): string => id.slice(0, Math.max(0, id.lastIndexOf("@")));

/** Name of a row. */
export const rowName = (payload: CircuitPayload, row: number | undefined): string =>
  plain(payload.rows[row ?? 0] ?? "", 24);

/** What a node is called: by a person, by its dictionary, or by where it is. */
export function labelOf(payload: CircuitPayload, names: Record<string, string>, n: number): string {
  const { id, kind, label, row, position } = payload.nodes;
  const name = id[n] ?? "";
  const own = Object.hasOwn(names, name) ? names[name] : names[featureOf(name)];
  if (own) return plain(own, 120);
  if (kind[n] === TOKEN) return wordAt(payload, position[n] ?? 0);
  const given = plain((label[n] ?? "").trim() || (label[n] ?? ""), 120);
  if (kind[n] === LOGIT) return words.logit(given);
  if (kind[n] === ERROR) return words.errorIn(rowName(payload, row[n]));
  return given || plain(featureOf(name), 80);
}

/** The numbers that are in view. */
export const sideOf = (payload: CircuitPayload, side: string): CircuitSide =>
  side === "before" && payload.before ? payload.before : payload.now;

/** Signed share of the target's input that an edge brings. */
export const shareOf = (payload: CircuitPayload, side: CircuitSide, e: number): number =>
  (side.edge[e] as number) / Math.max(side.inputs[payload.target[e] as number] as number, 1e-10);

/** Something pinned: a supernode, or a node of its own. */
export interface Unit {
  key: string;
  label: string;
  nodes: number[];
  /** Its letter; -1 for tokens and targets. */
  slot: number;
  grouped: boolean;
}

/** Before the name of a group in the key that its place is kept by; Python has the same. */
const GROUP = "group ";

/** What is pinned, in the order of the letters; members of a group stand together. */
export function unitsOf(payload: CircuitPayload, marks: Marks): Unit[] {
  const place = new Map(payload.nodes.id.map((id, n) => [id, n]));
  const group = new Map(marks.groups.flatMap((g) => g.nodes.map((node) => [node, g] as const)));
  const found = new Map<string, Unit>();
  let letters = 0;
  for (const node of marks.pinned) {
    const own = group.get(node);
    const key = own ? `${GROUP}${own.label}` : node;
    const nodes = (own ? own.nodes : [node]).flatMap((id) => place.get(id) ?? []);
    const first = nodes[0];
    if (found.has(key) || first === undefined) continue;
    const lettered = (payload.nodes.kind[first] as number) <= ERROR;
    const label = own ? plain(own.label, 80) : labelOf(payload, marks.names, first);
    found.set(key, { key, label, nodes, slot: lettered ? letters : -1, grouped: own !== undefined });
    if (lettered) letters++;
  }
  return [...found.values()];
}
