// The map itself: tokens are rows, places are columns in blocks, sums per column below.
import { probability, signed } from "../format";
import { effectStep } from "../palette";
import type { PatchBlock, PatchMapPayload, PatchRegion } from "../payloads";
import { asText, drawAll, plain } from "../signs";
import type { PatchView } from "../views/patchmap";
import * as common from "../words/common";
import * as words from "../words/patchmap";

const ROW = 26;
const TOP = 44;
const SUMS = 72;
/** From the line of the sums to the top of the greatest, and below it. */
const TALL = 38;

export const cellOf = (node: string, position: number): string => `${node}:${position}`;

/** A place in words: "attention, layer 2". */
export function placeName({ kind, name, columns, labels, nodes }: PatchBlock, column: number): string {
  if (kind === "heads") return plain((nodes[column] ?? "").replace(".", " "), 40);
  if (kind === "features") return plain(`${nodes[column]}${labels[column] ? ` ${labels[column]}` : ""}`, 80);
  return words.inLayer(plain(name, 40), plain(columns[column] ?? "", 12));
}

/** Where a cell stands: block, column, position. */
export function find(payload: PatchMapPayload, cell: string): { block: PatchBlock; column: number; at: number } | null {
  const cut = cell.lastIndexOf(":");
  const at = Number(cell.slice(cut + 1));
  const node = cell.slice(0, cut);
  if (cut < 0 || !Number.isSafeInteger(at) || at < 0 || at >= payload.tokens.text.length) return null;
  for (const block of payload.blocks) {
    const column = block.nodes.indexOf(node);
    if (column >= 0) return { block, column, at };
  }
  return null;
}

const width = (payload: PatchMapPayload): number =>
  payload.blocks.reduce((n, block) => n + block.columns.length, 0) > 8 ? 38 : 46;

const SUM: Record<string, string> = {
  streams: words.sumPerLayer,
  heads: words.sumPerHead,
  features: words.sumPerFeature,
};

/** What is added up: the whole prompt, then each region. */
export const regionsOf = (payload: PatchMapPayload): PatchRegion[] => [
  { name: SUM[payload.show] ?? words.sum, positions: Uint32Array.from(payload.tokens.text, (_, t) => t) },
  ...payload.regions,
];

interface Sum {
  value: number;
  control: number;
}

/** A column added up over tokens, and the greatest absolute sum of its controls' ends. */
export function sumOf({ values, low, high }: PatchBlock, column: number, positions: ArrayLike<number>): Sum {
  const total = [0, 0, 0];
  for (let i = 0; i < positions.length; i++) {
    const cell = (positions[i] as number) * values.columns + column;
    [values, low, high].forEach((table, k) => {
      total[k] = (total[k] as number) + (table.data[cell] ?? 0);
    });
  }
  const [value = 0, least = 0, most = 0] = total;
  return { value, control: Math.max(Math.abs(least), Math.abs(most)) };
}

export function CellMap({ view, payload }: { view: PatchView; payload: PatchMapPayload }) {
  const { state } = view;
  const names = drawAll(payload.tokens).map(asText);
  const others = drawAll(payload.corrupt_tokens).map(asText);
  const step = width(payload);
  const regions = regionsOf(payload);
  const here = find(payload, state.cell.value);
  const most = Math.max(
    1e-9,
    ...payload.blocks.flatMap((block) =>
      block.columns.flatMap((_, c) => regions.map(({ positions }) => Math.abs(sumOf(block, c, positions).value))),
    ),
  );
  return (
    <div
      class="pm"
      role="slider"
      tabIndex={0}
      aria-label={words.shareByTokenAndPlace(plain(payload.target, 60))}
      aria-readonly="true"
      aria-valuemin={0}
      aria-valuemax={Math.max(0, names.length - 1)}
      aria-valuenow={here?.at ?? 0}
      aria-valuetext={here ? inWords(payload, state.cell.value) : words.noCellChosen}
      onKeyDown={(event) => {
        if (!move(view, payload, event)) return;
        event.preventDefault();
        event.stopPropagation();
      }}
      onPointerLeave={() => {
        state.hover.value = "";
      }}
    >
      <div class="words" aria-hidden="true">
        <div style={{ height: `${TOP}px` }} />
        {names.map((name, t) => (
          <div key={t} class={payload.tokens.ids[t] === payload.corrupt_tokens.ids[t] ? "row" : "row changed"}>
            <i>{t}</i>
            <span class="tk clip">
              {plain(name.trim() || name, 40)}
              {payload.tokens.ids[t] !== payload.corrupt_tokens.ids[t] && (
                <span class="q">
                  {" "}
                  ← {payload.corruption === "noise" ? words.noise : plain((others[t] ?? "").trim(), 40)}
                </span>
              )}
            </span>
          </div>
        ))}
        {regions.map(({ name }) => (
          <div key={name} class="sums sub clip">
            {plain(name, 24)}
          </div>
        ))}
      </div>
      {payload.blocks.map((block) => (
        <Block key={block.name} view={view} payload={payload} block={block} step={step} regions={regions} most={most} />
      ))}
    </div>
  );
}

interface BlockProps {
  view: PatchView;
  payload: PatchMapPayload;
  block: PatchBlock;
  step: number;
  regions: readonly PatchRegion[];
  most: number;
}

function Block({ view, payload, block, step, regions, most }: BlockProps) {
  const { state } = view;
  const length = payload.tokens.text.length;
  const { values, measured, columns, nodes } = block;
  const bar = block.band ?? Number.POSITIVE_INFINITY;
  const rings = (["cell", "hover", "pathing"] as const).flatMap((name) => {
    const found = find(payload, state[name].value);
    const kind = { cell: "picked", hover: "hovered", pathing: "from" }[name];
    return found && found.block === block ? [{ kind, ...found }] : [];
  });
  const at = (event: MouseEvent): string => {
    const bounds = (event.currentTarget as SVGElement).getBoundingClientRect();
    const column = Math.floor((event.clientX - bounds.left) / step);
    const row = Math.floor((event.clientY - bounds.top - TOP) / ROW);
    return row >= 0 && row < length && nodes[column] !== undefined ? cellOf(nodes[column] as string, row) : "";
  };
  const cells = [];
  for (let i = 0; i < values.data.length; i++) {
    const value = values.data[i] as number;
    const [t, c] = [Math.floor(i / values.columns), i % values.columns];
    const beyond = Math.abs(value) > bar;
    const grade = effectStep(value);
    // What lies within the controls has no colour and no number once they are there.
    if (!measured.data[i] || (block.band === null ? grade === 5 : !beyond)) continue;
    cells.push(
      <g key={i}>
        <rect x={c * step} y={TOP + t * ROW} width={step - 1} height={ROW - 1} style={{ fill: `var(--d${grade})` }} />
        {beyond && (
          <text
            x={c * step + step / 2}
            y={TOP + t * ROW + 17}
            text-anchor="middle"
            style={{ fill: `var(--dt${grade})` }}
          >
            {probability(value)}
          </text>
        )}
      </g>,
    );
  }
  return (
    <svg
      aria-hidden="true"
      width={columns.length * step}
      height={TOP + length * ROW + regions.length * SUMS}
      onPointerMove={(event) => {
        state.hover.value = at(event);
      }}
      onClick={(event) => {
        const cell = at(event);
        if (cell) state.choose(cell);
      }}
    >
      <text class="head" x={0} y={14}>
        {plain(block.name, 40)}
      </text>
      {columns.map((name, c) => (
        <text key={c} x={c * step + step / 2} y={34} text-anchor="middle">
          {plain(name, 8)}
        </text>
      ))}
      {columns.map((_, c) => (
        <rect key={c} class="none" x={c * step} y={TOP} width={step - 1} height={length * ROW - 1} />
      ))}
      {payload.tokens.text.map((_, t) => (
        <line
          key={t}
          x2={columns.length * step}
          y1={TOP + t * ROW + ROW - 0.5}
          y2={TOP + t * ROW + ROW - 0.5}
          style={{ stroke: "var(--paper)" }}
        />
      ))}
      {cells}
      {rings.map(({ kind, column, at }) => (
        <rect key={kind} class={kind} x={column * step} y={TOP + at * ROW} width={step - 1} height={ROW - 1} />
      ))}
      {regions.map(({ name, positions }, r) => {
        const zero = TOP + length * ROW + r * SUMS + TALL + 14;
        return (
          <g key={name}>
            {columns.map((_, c) => {
              const { value, control } = sumOf(block, c, positions);
              const tall = (TALL * Math.abs(value)) / most;
              const wide = Math.min(TALL, (TALL * control) / most);
              const inside = block.band === null || Math.abs(value) <= control;
              const x = c * step + step * 0.22;
              return (
                <g key={c}>
                  {wide > 0.5 && (
                    <rect
                      class="control"
                      x={c * step + 4}
                      y={zero - wide}
                      width={step - 9}
                      height={Math.min(2 * wide, wide + 18)}
                    />
                  )}
                  <rect
                    x={x}
                    width={step * 0.56}
                    y={value < 0 ? zero : zero - tall}
                    height={Math.min(tall, value < 0 ? 18 : TALL)}
                    style={{ fill: value < 0 ? "var(--lowers)" : "var(--raises)" }}
                  />
                  {Math.abs(value) >= 0.005 && (
                    <text
                      class={inside ? "quiet" : "sum"}
                      x={c * step + step / 2}
                      y={value < 0 ? zero - 4 : zero - tall - 4}
                      text-anchor="middle"
                    >
                      {signed(value, 2)}
                    </text>
                  )}
                </g>
              );
            })}
            <line class="base" x2={columns.length * step - 1} y1={zero} y2={zero} />
          </g>
        );
      })}
    </svg>
  );
}

/** A cell in words, with its value and its own controls. */
export function inWords(payload: PatchMapPayload, cell: string): string {
  const found = find(payload, cell);
  if (!found) return "";
  const { block, column, at } = found;
  const token = drawAll(payload.tokens).map(asText)[at] ?? "";
  const i = at * block.values.columns + column;
  const where = words.placeAt(placeName(block, column), plain(token.trim() || token, 24));
  if (!block.measured.data[i]) return words.notMeasured(where);
  const [low, high] = [block.low.data[i] ?? 0, block.high.data[i] ?? 0];
  const control = block.band === null ? common.controlReading : words.itsControl(signed(low, 2), signed(high, 2));
  return words.cellRestored(where, probability(block.values.data[i] ?? 0), control);
}

/** Arrow keys go from cell to cell, Home and End to the first and last column. */
function move(view: PatchView, payload: PatchMapPayload, event: KeyboardEvent): boolean {
  const { state } = view;
  const nodes = payload.blocks.flatMap((block) => block.nodes);
  const last = payload.tokens.text.length - 1;
  if (!nodes.length || event.ctrlKey || event.metaKey || event.altKey) return false;
  const cut = state.cell.value.lastIndexOf(":");
  const column = nodes.indexOf(state.cell.value.slice(0, cut));
  const row = column < 0 ? last : Number(state.cell.value.slice(cut + 1));
  const to = (c: number, t: number) => {
    const node = nodes[Math.max(0, Math.min(nodes.length - 1, c))] as string;
    state.step(cellOf(node, Math.max(0, Math.min(last, t))));
  };
  const { key } = event;
  if (key === "ArrowRight") to(column + 1, row);
  else if (key === "ArrowLeft") to(column - 1, row);
  else if (key === "ArrowUp") to(Math.max(0, column), row - 1);
  else if (key === "ArrowDown") to(Math.max(0, column), row + 1);
  else if (key === "Home") to(0, row);
  else if (key === "End") to(nodes.length - 1, row);
  else if (key === "Enter" && column >= 0) state.choose(state.cell.value);
  else if (key === "p" && column >= 0) state.begin();
  else if (key === "Escape" && state.pathing.value) state.pathing.value = "";
  else return false;
  return true;
}
