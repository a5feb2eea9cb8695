// What of a circuit is in view: the rule of `AttributionGraph.prune` on what the payload holds, and what the filters leave.
import { type CircuitPayload, type CircuitSide, LOGIT, TOKEN } from "./kinds";

/** Nodes by number, edges as numbers, the one that carries most first. */
export interface Shown {
  nodes: Uint8Array;
  edges: Uint32Array;
}

/** The value at which the sum of the greatest first reaches a share of all. */
export function threshold(values: Float64Array, share: number): number {
  const ordered = values.slice().sort();
  const total = ordered.reduce((a, b) => a + b, 0);
  if (!(total > 0)) return 0;
  let sum = 0;
  for (let i = ordered.length - 1; i >= 0; i--) {
    sum += ordered[i] as number;
    if (sum / total >= share) return ordered[i] as number;
  }
  return ordered[0] ?? 0;
}

/** Influence of the last node that a share of the influence takes. */
function leastInfluence({ cumulative, influence }: CircuitSide, share: number): number {
  const least = Math.fround(share);
  let found = 0;
  for (let n = 0; n < cumulative.length; n++)
    if ((cumulative[n] as number) >= least) found = Math.max(found, influence[n] as number);
  return found;
}

/** How much of the targets passes through each node, along edges that are 1 together for each target. */
function flow(edges: Uint32Array, payload: CircuitPayload, share: Float64Array, weight: Float32Array): Float64Array {
  const { source, target } = payload;
  const total = new Float64Array(weight.length);
  let current = Float64Array.from(weight);
  for (let step = 0; step <= payload.rows.length; step++) {
    const next = new Float64Array(weight.length);
    let any = false;
    for (let i = 0; i < edges.length; i++) {
      const e = edges[i] as number;
      const passed = (current[target[e] as number] as number) * (share[i] as number);
      if (passed === 0) continue;
      next[source[e] as number] = (next[source[e] as number] as number) + passed;
      any = true;
    }
    if (!any) break;
    for (let n = 0; n < total.length; n++) total[n] = (total[n] as number) + (next[n] as number);
    current = next;
  }
  return total;
}

/** One graph as the sliders leave it. */
function ofSide(payload: CircuitPayload, side: CircuitSide, pinned: Uint8Array, nodes: number, edges: number): Shown {
  const { kind, status } = payload.nodes;
  const missing = side === payload.now ? 3 : 2;
  const least = leastInfluence(side, nodes);
  const always = (n: number) => kind[n] === TOKEN || kind[n] === LOGIT;
  const keep = Uint8Array.from(kind, (_, n) => {
    const there = status[n] !== missing || always(n);
    const influence = side.influence[n] as number;
    return Number(there && (always(n) || pinned[n] === 1 || (influence > 0 && influence >= least)));
  });
  let left = among(payload, side, keep, null);
  const share = new Float64Array(left.length);
  const sums = new Float64Array(kind.length);
  for (const e of left) {
    const t = payload.target[e] as number;
    sums[t] = (sums[t] as number) + Math.abs(side.edge[e] as number);
  }
  left.forEach((e, i) => {
    share[i] = Math.abs(side.edge[e] as number) / Math.max(sums[payload.target[e] as number] as number, 1e-10);
  });
  const through = flow(left, payload, share, side.weight);
  const score = share.map((part, i) => {
    const t = payload.target[left[i] as number] as number;
    return part * ((through[t] as number) + (side.weight[t] as number));
  });
  const bar = threshold(score, edges);
  left = left.filter((_, i) => (score[i] as number) >= bar && (score[i] as number) > 0);
  for (;;) {
    const sends = new Uint8Array(kind.length);
    const gets = new Uint8Array(kind.length);
    for (const e of left) {
      sends[payload.source[e] as number] = 1;
      gets[payload.target[e] as number] = 1;
    }
    let changed = false;
    for (let n = 0; n < kind.length; n++) {
      if (!keep[n] || always(n) || (sends[n] && (kind[n] !== 0 || gets[n]))) continue;
      keep[n] = 0;
      changed = true;
    }
    if (!changed) break;
    left = among(payload, side, keep, left);
  }
  for (let n = 0; n < kind.length; n++) if (pinned[n] && status[n] !== missing) keep[n] = 1;
  for (let n = 0; n < kind.length; n++) if (status[n] === missing) keep[n] = 0;
  return { nodes: keep, edges: left };
}

/** Edges between nodes that are kept, of all or of some. */
function among(payload: CircuitPayload, side: CircuitSide, keep: Uint8Array, some: Uint32Array | null): Uint32Array {
  const { source, target } = payload;
  const count = some ? some.length : source.length;
  const found = new Uint32Array(count);
  let size = 0;
  for (let i = 0; i < count; i++) {
    const e = some ? (some[i] as number) : i;
    if (keep[source[e] as number] && keep[target[e] as number] && side.edge[e] !== 0) found[size++] = e;
  }
  return found.subarray(0, size);
}

export interface Filter {
  nodes: number;
  edges: number;
  side: string;
  /** Features that are active at more than this share of the tokens are hidden. */
  density: number;
}

/** What is in view. */
export function shownOf(payload: CircuitPayload, pins: readonly string[], filter: Filter): Shown {
  const wanted = new Set(pins);
  const pinned = Uint8Array.from(payload.nodes.id, (id) => Number(wanted.has(id)));
  const sides =
    payload.before === null || filter.side === "now"
      ? [payload.now]
      : filter.side === "before"
        ? [payload.before]
        : [payload.now, payload.before];
  const everything = filter.nodes >= 1 && filter.edges >= 1 && payload.before === null && filter.density >= 1;
  if (everything && payload.source.length > 20_000) {
    // Nothing is left out: a large graph is not made to wait for sums that change nothing.
    return { nodes: new Uint8Array(payload.nodes.id.length).fill(1), edges: payload.source.map((_, e) => e) };
  }
  const [first, ...rest] = sides.map((side) => ofSide(payload, side, pinned, filter.nodes, filter.edges));
  const shown = first as Shown;
  for (const other of rest) {
    for (let n = 0; n < shown.nodes.length; n++) if (other.nodes[n]) shown.nodes[n] = 1;
    shown.edges = Uint32Array.from(new Set([...shown.edges, ...other.edges])).sort();
  }
  const { density } = payload.nodes;
  if (filter.density < 1) {
    for (let n = 0; n < shown.nodes.length; n++)
      if (!pinned[n] && (density[n] as number) > filter.density) shown.nodes[n] = 0;
    shown.edges = shown.edges.filter(
      (e) => shown.nodes[payload.source[e] as number] && shown.nodes[payload.target[e] as number],
    );
  }
  return shown;
}
