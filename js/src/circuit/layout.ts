// Where nodes stand on the sheet: rows by layer, columns by token; and which node is under a pointer.
import { type CircuitPayload, ERROR, LOGIT, TOKEN, wordAt } from "./kinds";

const RIGHT = 14;
const TOP = 34;
const BOTTOM = 42;
/** Radius of the node through which most passes, and of the least. */
const MOST = 9;
const LEAST = 1.6;
export const LETTERED = 8;

/** Room for the names of the rows. */
export const leftOf = ({ rows }: CircuitPayload): number =>
  Math.min(110, Math.max(60, ...rows.map((name) => 6.3 * name.length + 12)));

export interface Places {
  x: Float32Array;
  y: Float32Array;
  r: Float32Array;
  /** Middle of each token's column, and its width. */
  columns: { x: number; width: number }[];
  rows: number[];
  width: number;
  height: number;
}

/** Rows keep their distance up to a dozen layers; more are brought together. */
export function heightOf(rows: number): number {
  const gaps = Math.max(1, rows - 1);
  return TOP + BOTTOM + (rows <= 14 ? Math.max(44, Math.min(72, 520 / gaps)) : Math.max(14, 620 / gaps)) * gaps;
}

/** Columns as wide as their words, and the rest by their slots. */
function columnsOf(payload: CircuitPayload, width: number): Places["columns"] {
  const words = Array.from(payload.columns, (_, t) => 7.6 * Math.min(10, wordAt(payload, t).length) + 9);
  const least = words.reduce((a, b) => a + b, 0);
  const slots = payload.widths.reduce((a, b) => a + b, 0);
  const free = Math.max(0, width - least);
  const shrink = Math.min(1, width / Math.max(1, least));
  let at = leftOf(payload);
  return words.map((word, t) => {
    const own = word * shrink + (free * (payload.widths[t] as number)) / Math.max(1, slots);
    at += own;
    return { x: at - own / 2, width: own };
  });
}

/** Places of all nodes in a sheet so wide. */
export function placesOf(payload: CircuitPayload, width: number): Places {
  const { kind, row, position, slot } = payload.nodes;
  const n = kind.length;
  const columns = columnsOf(payload, width - leftOf(payload) - RIGHT);
  const height = heightOf(payload.rows.length);
  const gap = (height - TOP - BOTTOM) / Math.max(1, payload.rows.length - 1);
  const rows = payload.rows.map((_, i) => height - BOTTOM - i * gap);
  const influence = (i: number) => Math.max(payload.now.influence[i] ?? 0, payload.before?.influence[i] ?? 0);
  let most = 1e-12;
  for (let i = 0; i < n; i++) if ((kind[i] as number) <= ERROR) most = Math.max(most, influence(i));
  const x = new Float32Array(n);
  const y = new Float32Array(n);
  const r = new Float32Array(n);
  const targets = spreadTargets(payload, columns, width);
  for (let i = 0; i < n; i++) {
    const t = position[i] as number;
    const own = columns[t] ?? { x: 0, width: 0 };
    const part = ((slot[i] as number) + 0.5) / Math.max(1, payload.columns[t] as number) - 0.5;
    const at = kind[i] === TOKEN ? own.x : own.x + part * own.width;
    x[i] = targets.get(i) ?? at;
    y[i] = rows[row[i] as number] ?? 0;
    r[i] = kind[i] === TOKEN || kind[i] === LOGIT ? 3 : Math.max(LEAST, MOST * Math.sqrt(influence(i) / most));
  }
  return { x, y, r, columns, rows, width, height };
}

/** Targets are words: they stand side by side about the middle of their column, by falling weight. */
function spreadTargets(payload: CircuitPayload, columns: Places["columns"], width: number): Map<number, number> {
  const { kind, position, label } = payload.nodes;
  const all = [...kind.keys()].filter((n) => kind[n] === LOGIT);
  const room = (n: number) => 7.5 * Math.min(14, Math.max(3, (label[n] ?? "").length)) + 34;
  const found = new Map<number, number>();
  let end = width - RIGHT;
  for (const t of [...new Set(all.map((n) => position[n] as number))].sort((a, b) => b - a)) {
    const own = all.filter((n) => position[n] === t);
    const wide = own.reduce((sum, n) => sum + room(n), 0);
    // Too many for the sheet stand closer.
    const scale = Math.min(1, Math.max(120, end - leftOf(payload)) / Math.max(1, wide));
    let at = Math.max(leftOf(payload), Math.min(end, (columns[t]?.x ?? 0) + wide / 2) - wide * scale);
    end = at;
    for (const n of own) {
      found.set(n, at + (room(n) * scale) / 2);
      at += room(n) * scale;
    }
  }
  return found;
}

const CELL = 24;
/** Nearer than this to a node, a pointer means it. */
const REACH = 14;

/** Finds the node nearest to a point, by cells of a grid. */
export class Grid {
  readonly #cells = new Map<number, number[]>();

  constructor(
    private readonly places: Places,
    nodes: Uint8Array,
  ) {
    for (let n = 0; n < nodes.length; n++) {
      if (!nodes[n]) continue;
      const key = this.#key(places.x[n] as number, places.y[n] as number);
      const cell = this.#cells.get(key);
      if (cell) cell.push(n);
      else this.#cells.set(key, [n]);
    }
  }

  #key(x: number, y: number): number {
    return Math.floor(x / CELL) + 65_536 * Math.floor(y / CELL);
  }

  /** The nearest node within reach, -1 for none. */
  at(x: number, y: number, reach = REACH): number {
    let best = -1;
    let least = reach;
    const cells = Math.ceil(reach / CELL);
    for (let dx = -cells; dx <= cells; dx++) {
      for (let dy = -cells; dy <= cells; dy++) {
        for (const n of this.#cells.get(this.#key(x + dx * CELL, y + dy * CELL)) ?? []) {
          const far = Math.hypot((this.places.x[n] as number) - x, (this.places.y[n] as number) - y);
          const own = far - Math.min(6, this.places.r[n] as number);
          if (own < least) [best, least] = [n, own];
        }
      }
    }
    return best;
  }
}

/** Edges by node: those into it and those out of it, in the order they are given. */
export class Links {
  readonly #into: Uint32Array[];
  readonly #out: Uint32Array[];

  constructor({ source, target, nodes }: CircuitPayload, edges: Uint32Array) {
    const sort = (ends: Uint32Array): Uint32Array[] => {
      const starts = new Uint32Array(nodes.id.length + 1);
      for (const e of edges) starts[(ends[e] as number) + 1] = (starts[(ends[e] as number) + 1] as number) + 1;
      for (let n = 0; n < nodes.id.length; n++) starts[n + 1] = (starts[n + 1] as number) + (starts[n] as number);
      const next = starts.slice();
      const all = new Uint32Array(edges.length);
      for (const e of edges) {
        const at = next[ends[e] as number] as number;
        all[at] = e;
        next[ends[e] as number] = at + 1;
      }
      return nodes.id.map((_, n) => all.subarray(starts[n], starts[n + 1]));
    };
    this.#into = sort(target);
    this.#out = sort(source);
  }

  into = (n: number): Uint32Array => this.#into[n] ?? new Uint32Array(0);
  out = (n: number): Uint32Array => this.#out[n] ?? new Uint32Array(0);
}
