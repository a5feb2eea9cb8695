// What is pinned, as boxes: groups and single nodes between tokens and targets, with what flows between them.
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { probability } from "../format";
import { hue } from "../palette";
import { plain } from "../signs";
import { withoutLogit } from "../words/circuit";
import * as words from "../words/circuitpanels";
import { type CircuitPayload, LOGIT, sideOf, TOKEN, type Unit, wordAt } from "./kinds";
import type { CircuitState } from "./state";
import type { CircuitView } from "./view";

const COLUMN = 156;
const ROW = 74;
const WIDE = 118;
const TALL = 42;
/** Weaker flows are left out. */
const LEAST = 0.015;

interface Box extends Unit {
  x: number;
  y: number;
}
interface Flow {
  from: Box;
  to: Box;
  share: number;
}

/** The tokens and targets that the pinned nodes touch, so that the part has a beginning and an end. */
function ends(state: CircuitState, payload: CircuitPayload, units: Unit[]): Unit[] {
  const { kind, id } = payload.nodes;
  const inside = new Set(units.flatMap(({ nodes }) => nodes));
  const links = state.allLinks.value;
  const side = sideOf(payload, state.side.value);
  const weights = new Map<number, number>();
  for (const n of inside) {
    for (const e of links?.into(n) ?? []) {
      const s = payload.source[e] as number;
      if (kind[s] === TOKEN && !inside.has(s))
        weights.set(
          s,
          Math.max(weights.get(s) ?? 0, Math.abs(side.edge[e] as number) / Math.max(side.inputs[n] ?? 0, 1e-10)),
        );
    }
  }
  const tokens = [...weights].filter(([, share]) => share > 0.12).sort((a, b) => b[1] - a[1]);
  const targets = [...kind.keys()].filter((n) => kind[n] === LOGIT && !inside.has(n) && (side.weight[n] ?? 0) > 0);
  targets.sort((a, b) => (side.weight[b] ?? 0) - (side.weight[a] ?? 0));
  return [...tokens.slice(0, 5).map(([n]) => n), ...targets.slice(0, 3)].map((n) => ({
    key: id[n] ?? "",
    label:
      kind[n] === TOKEN
        ? wordAt(payload, payload.nodes.position[n] ?? 0)
        : plain((payload.nodes.label[n] ?? "").trim(), 40),
    nodes: [n],
    slot: -1,
    grouped: false,
  }));
}

/** Boxes in columns from tokens to targets, by layer; where a person put one, it stays. */
export function boxesOf(state: CircuitState, payload: CircuitPayload): Box[] {
  const units = state.units.value;
  if (units.length === 0) return [];
  const all = [...units, ...ends(state, payload, units)];
  const { row, position } = payload.nodes;
  const mean = (values: Uint32Array, nodes: number[]) =>
    nodes.reduce((sum, n) => sum + (values[n] ?? 0), 0) / Math.max(1, nodes.length);
  const levels = [...new Set(all.map(({ nodes }) => Math.round(2 * mean(row, nodes))))].sort((a, b) => a - b);
  const columns: Unit[][] = levels.map(() => []);
  for (const unit of all) columns[levels.indexOf(Math.round(2 * mean(row, unit.nodes)))]?.push(unit);
  const tallest = Math.max(...columns.map((column) => column.length));
  const places = state.marks.value.places;
  return columns.flatMap((column, i) => {
    column.sort((a, b) => mean(position, a.nodes) - mean(position, b.nodes));
    return column.map((unit, j) => {
      const own = Object.hasOwn(places, unit.key) ? places[unit.key] : undefined;
      const [x, y] = own ?? [i, (j + 0.5) * (tallest / column.length) - 0.5];
      return { ...unit, x: Math.max(0, x) * COLUMN, y: Math.max(0, y) * ROW };
    });
  });
}

/** What flows between boxes: the share that one brings of the other's input, nodes weighed by their influence. */
export function flowsOf(state: CircuitState, payload: CircuitPayload, boxes: Box[]): Flow[] {
  const side = sideOf(payload, state.side.value);
  const home = new Map(boxes.flatMap((box, i) => box.nodes.map((n) => [n, i] as const)));
  const sums = new Map<string, number>();
  boxes.forEach((to, j) => {
    const weigh = (n: number) => (side.influence[n] ?? 0) + (side.weight[n] ?? 0);
    const all = to.nodes.reduce((sum, n) => sum + weigh(n), 0) || 1;
    for (const n of to.nodes) {
      for (const e of state.allLinks.value?.into(n) ?? []) {
        const i = home.get(payload.source[e] as number);
        if (i === undefined || i === j) continue;
        const part = ((side.edge[e] as number) / Math.max(side.inputs[n] ?? 0, 1e-10)) * (weigh(n) / all);
        sums.set(`${i} ${j}`, (sums.get(`${i} ${j}`) ?? 0) + part);
      }
    }
  });
  return [...sums].flatMap(([key, share]) => {
    const [from, to] = key.split(" ").map((i) => boxes[Number(i)]);
    return from && to && Math.abs(share) >= LEAST ? [{ from, to, share }] : [];
  });
}

interface Props {
  view: CircuitView;
  payload: CircuitPayload;
}

export function Subgraph({ view, payload }: Props) {
  const { state } = view;
  const boxes = boxesOf(state, payload);
  const held = useSignal<{ key: string; dx: number; dy: number } | null>(null);
  const from = useRef<[number, number]>([0, 0]);
  const placed = boxes.map((box) =>
    held.value?.key === box.key
      ? { ...box, x: Math.max(0, box.x + held.value.dx), y: Math.max(0, box.y + held.value.dy) }
      : box,
  );
  const flows = flowsOf(state, payload, placed);
  const width = Math.max(400, ...placed.map(({ x }) => x + WIDE + 8));
  const height = Math.max(120, ...placed.map(({ y }) => y + TALL + 8)) + 8;
  const put = (box: Box) => state.move(box.key, [box.x / COLUMN, box.y / ROW]);
  return (
    <section aria-label={words.pinned} class="sbx">
      <h3>
        {words.pinnedInGroups} <Worth view={view} payload={payload} />
      </h3>
      {boxes.length === 0 ? (
        <p class="em">{words.nothingPinned}</p>
      ) : (
        <>
          <div class="sbox">
            <svg
              viewBox={`-4 -4 ${width} ${height}`}
              width="100%"
              style={{ "min-width": `${0.8 * width}px`, "max-width": `${1.15 * width}px` }}
              role="group"
              aria-label={words.pinnedParts(state.units.value.length)}
            >
              {flows.map((flow) => (
                <Arrow key={`${flow.from.key} ${flow.to.key}`} {...flow} />
              ))}
              {placed.map((box) => (
                <BoxOf
                  key={box.key}
                  view={view}
                  payload={payload}
                  box={box}
                  grab={(event) => {
                    from.current = [event.clientX, event.clientY];
                    held.value = { key: box.key, dx: 0, dy: 0 };
                  }}
                  drag={(event) => {
                    if (held.value?.key !== box.key) return;
                    held.value = {
                      key: box.key,
                      dx: event.clientX - from.current[0],
                      dy: event.clientY - from.current[1],
                    };
                  }}
                  drop={() => {
                    const was = held.value;
                    held.value = null;
                    if (was && Math.hypot(was.dx, was.dy) > 4) put(box);
                    else view.take(box.nodes);
                  }}
                  nudge={(dx, dy) => put({ ...box, x: Math.max(0, box.x + dx), y: Math.max(0, box.y + dy) })}
                />
              ))}
            </svg>
          </div>
          <Proposals view={view} />
        </>
      )}
    </section>
  );
}

function Arrow({ from, to, share }: Flow) {
  const [x1, y1] = [from.x + WIDE, from.y + TALL / 2];
  const [x2, y2] = [to.x, to.y + TALL / 2];
  const back = x2 < x1 + 8;
  const bend = back ? 34 : Math.max(10, (x2 - x1) / 2);
  const wide = Math.min(5, 1 + 6 * Math.abs(share));
  return (
    <g class={share < 0 ? "flow lowers" : "flow raises"}>
      <path
        d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - 7} ${y2}`}
        stroke-width={wide}
        stroke-dasharray={share < 0 ? "5 3" : undefined}
        fill="none"
      >
        <title>{words.flow(from.label, to.label, share)}</title>
      </path>
      <path class="head" d={`M${x2 - 8} ${y2 - 4}L${x2} ${y2}L${x2 - 8} ${y2 + 4}z`} />
    </g>
  );
}

interface BoxProps extends Props {
  box: Box;
  grab: (event: PointerEvent) => void;
  drag: (event: PointerEvent) => void;
  drop: () => void;
  nudge: (dx: number, dy: number) => void;
}

function BoxOf({ view, payload, box, grab, drag, drop, nudge }: BoxProps) {
  const { state } = view;
  const { kind, position } = payload.nodes;
  const first = box.nodes[0] ?? 0;
  const end = kind[first] === TOKEN || kind[first] === LOGIT;
  const side = state.sideNow();
  const label = kind[first] === LOGIT && !box.grouped ? withoutLogit(box.label) : box.label;
  const note =
    kind[first] === TOKEN
      ? words.tokenAt(position[first] ?? 0)
      : kind[first] === LOGIT
        ? probability(side.probability[first] || side.weight[first] || 0)
        : box.grouped
          ? words.nodes(box.nodes.length)
          : `${position[first]} ${wordAt(payload, position[first] ?? 0)}`;
  const edited = box.nodes.some((n) => state.edited.value.has(n));
  const gone = box.nodes.every((n) => payload.nodes.status[n] === 3) && state.side.value === "now";
  const selected = box.nodes.includes(state.selected.value);
  const room = end ? 14 : 16;
  return (
    <g
      class={`unit${selected ? " on" : ""}${gone ? " gone" : ""} ${box.slot >= 0 ? hue(box.slot) : ""}`}
      role="button"
      tabindex={0}
      transform={`translate(${box.x} ${box.y})`}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        grab(event);
      }}
      onPointerMove={drag}
      onPointerUp={drop}
      onKeyDown={(event) => {
        const step: Record<string, [number, number]> = {
          ArrowLeft: [-COLUMN / 4, 0],
          ArrowRight: [COLUMN / 4, 0],
          ArrowUp: [0, -ROW / 4],
          ArrowDown: [0, ROW / 4],
        };
        const by = step[event.key];
        if (by) nudge(...by);
        else if (event.key === "Enter" || event.key === " ") view.take(box.nodes);
        else return;
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      {edited && <rect class="cut" x={-5} y={-5} width={WIDE + 10} height={TALL + 10} rx={2} />}
      <rect class="body" width={WIDE} height={TALL} rx={4} />
      {box.slot >= 0 && <path class="stripe" d={`M5 0H4a4 4 0 0 0-4 4v${TALL - 8}a4 4 0 0 0 4 4h1z`} />}
      <text class={end && !box.grouped ? "tx" : "ink"} x={11} y={18}>
        {label.length > room ? `${label.slice(0, room - 1)}…` : label}
      </text>
      <text x={11} y={33}>
        {note}
        {edited ? words.ablated : gone ? words.gone : ""}
      </text>
    </g>
  );
}

function Worth({ view, payload }: Props) {
  const { state } = view;
  const { worth } = payload;
  const { kind, status } = payload.nodes;
  const now = state.units.value.flatMap(({ nodes }) => nodes).filter((n) => kind[n] === 0 && status[n] !== 3);
  if (now.length === 0) return null;
  const ids = new Set(now.map((n) => payload.nodes.id[n] ?? ""));
  const same = worth && worth.pinned.length === ids.size && worth.pinned.every((id) => ids.has(id));
  if (worth && same) {
    return <span class="sub">{words.carries(worth)}</span>;
  }
  return state.live.value ? (
    <button type="button" class="link sub" onClick={() => state.measure()}>
      {words.measureWorth}
    </button>
  ) : null;
}

function Proposals({ view }: { view: CircuitView }) {
  const { state } = view;
  const found = useSignal<{ label: string; nodes: string[]; stability: number }[] | null>(null);
  if (!state.live.value || state.marks.value.pinned.length < 3) return null;
  const ask = async () => {
    try {
      found.value = await state.proposals();
    } catch (failure) {
      state.requests.failure.value = failure as { what: string; todo: string };
    }
  };
  return (
    <div class="proposals">
      <button type="button" class="link" onClick={ask}>
        {words.proposeGroups}
      </button>
      {found.value?.length === 0 && <span class="sub">{words.noProposal}</span>}
      {found.value?.map((group) => (
        <button
          key={group.nodes.join()}
          type="button"
          class="btn"
          onClick={() => {
            state.group(group.nodes, group.label);
            found.value = (found.value ?? []).filter((one) => one !== group);
          }}
        >
          {words.proposal(plain(group.label, 40), group.nodes.length, group.stability)}
        </button>
      ))}
    </div>
  );
}
