// The rows: as many as are in view, at their places in a list of any length; one tab stop, arrows inside.
import { untracked, useSignal, useSignalEffect } from "@preact/signals";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { count } from "../format";
import { hue, letter } from "../palette";
import { shown as word } from "../parts/predictions";
import type { FeatureTablePayload } from "../payloads";
import { plain } from "../signs";
import type { TableView } from "../views/featuretable";
import * as common from "../words/common";
import * as words from "../words/table";
import { above, type Layout, layout, number } from "./cells";
import { statisticOf } from "./here";
import type { Row } from "./rows";
import { Scroller } from "./scroll";

/** Rows in view, and drawn beyond each end. */
const ROWS = 14;
const BEYOND = 10;
const HEAD = 28;
const SETTLED = 200;

export function List({ view, payload, width }: { view: TableView; payload: FeatureTablePayload; width: number }) {
  const { state } = view;
  const box = useRef<HTMLDivElement>(null);
  const n = state.n.value;
  const { sort, descending } = state.asked.value;
  const shape = layout(payload, width, sort);
  const inView = Math.max(1, Math.min(n, shape.narrow ? 8 : ROWS));
  const height = inView * shape.row;
  const scroller = useMemo(() => new Scroller(n, shape.row, height), [n, shape.row, height, payload.rows.order]);
  const at = useSignal({ first: 0, shift: 0 });
  const active = useSignal(0);
  const timer = useRef<ReturnType<typeof setTimeout>>();

  const go = (place: number) => {
    const element = box.current;
    if (!element) return;
    element.scrollTop = scroller.to(place);
    look(scroller.settled(element.scrollTop));
  };
  const look = (next: { first: number; shift: number }) => {
    if (next.first !== at.value.first || next.shift !== at.value.shift) at.value = next;
    state.need(Math.max(0, next.first - BEYOND), next.first + inView + BEYOND);
    state.top.value = next.first;
    if (!state.live.value) return;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => state.share("top", next.first), SETTLED);
  };
  useLayoutEffect(() => {
    active.value = Math.min(active.value, Math.max(0, n - 1));
    go(state.top.value);
    return () => clearTimeout(timer.current);
  }, [scroller]);

  const move = (to: number) => {
    const place = Math.max(0, Math.min(n - 1, to));
    active.value = place;
    const { first } = at.value;
    if (place <= first) go(place);
    else if (place >= first + inView - 1) go(place - inView + 1);
    const row = state.row(place);
    if (!row) return;
    view.said.value = `${count(place + 1)}: ${nameOf(row)}`;
    state.hand.value = state.id(row.rows.index[row.at] as number);
  };
  useSignalEffect(() => {
    const place = state.placeOf(state.hand.value);
    if (place >= 0 && place !== active.peek()) untracked(() => move(place));
  });
  const key = (event: KeyboardEvent) => {
    const here = active.value;
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: inView, PageUp: -inView };
    const row = state.row(here);
    const id = row && state.id(row.rows.index[row.at] as number);
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target as HTMLElement).tagName === "BUTTON") return;
    if (steps[event.key] !== undefined) move(here + (steps[event.key] as number));
    else if (event.key === "Home") move(0);
    else if (event.key === "End") move(n - 1);
    else if (event.key === "Enter" && id) state.open(id);
    else if (event.key === " " && id) state.toggle(id);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const click = (event: MouseEvent) => {
    const line = (event.target as HTMLElement).closest<HTMLElement>("[data-place]");
    const place = Number(line?.dataset.place ?? -1);
    const row = place >= 0 ? state.row(place) : null;
    if (!row) return;
    active.value = place;
    const id = state.id(row.rows.index[row.at] as number);
    state.hand.value = id;
    if (state.canOpen(id)) state.open(id);
  };

  void state.rows.version.value;
  const { first, shift } = at.value;
  const places: number[] = [];
  for (let i = Math.max(0, first - BEYOND); i < Math.min(n, first + inView + BEYOND); i++) places.push(i);
  const style = { "--columns": shape.template, "--row": `${shape.row}px` };
  return (
    <div
      ref={box}
      class={shape.narrow ? "ftable two-lines" : "ftable"}
      style={{ ...style, height: `${height + (shape.narrow ? 0 : HEAD)}px` }}
      role="grid"
      tabIndex={0}
      aria-label={words.featuresOf(plain(payload.site, 60))}
      aria-rowcount={n + 1}
      aria-activedescendant={places.includes(active.value) ? `row-${active.value}` : undefined}
      onScroll={(event) => look(scroller.moved(event.currentTarget.scrollTop))}
      onKeyDown={key}
      onClick={click}
    >
      <Head view={view} shape={shape} said={payload.words} sort={sort} descending={descending} />
      <div class="space" role="presentation" style={{ height: `${scroller.space}px` }}>
        {places.map((place) => (
          <Line
            key={place}
            view={view}
            payload={payload}
            shape={shape}
            place={place}
            row={state.row(place)}
            top={place * shape.row + shift}
            active={place === active.value}
          />
        ))}
      </div>
    </div>
  );
}

const nameOf = ({ rows, at }: Row): string => plain(rows.label[at] || words.feature(rows.index[at] as number), 80);

interface HeadProps {
  view: TableView;
  shape: Layout;
  /** What stands above the words of a feature. */
  said: string;
  sort: string;
  descending: boolean;
}

function Head({ view, shape, said, sort, descending }: HeadProps) {
  const heads = shape.columns.map((column) => (
    <span
      key={column.name}
      class="num"
      role="columnheader"
      tabIndex={-1}
      aria-sort={column.name === sort ? (descending ? "descending" : "ascending") : "none"}
    >
      <button
        type="button"
        tabIndex={-1}
        class={column.name === sort ? "plain on" : "plain"}
        title={words.sortBy(above(column))}
        onClick={() => view.state.sortBy(column.name)}
      >
        {above(column)}
        {column.name === sort && (descending ? " ↓" : " ↑")}
      </button>
    </span>
  ));
  return (
    <div class={shape.narrow ? "thead hear" : "thead"} role="row" tabIndex={-1} aria-rowindex={1}>
      <span role="columnheader" tabIndex={-1}>
        <span class="hear">{words.chosenColumn}</span>
      </span>
      <span role="columnheader" tabIndex={-1}>
        {words.featureColumn}
      </span>
      <span role="columnheader" tabIndex={-1}>
        {words.labelColumn}
      </span>
      {heads[0]}
      {shape.bars && (
        <span role="columnheader" tabIndex={-1}>
          {words.activationsColumn}
        </span>
      )}
      {heads.slice(1)}
      <span role="columnheader" tabIndex={-1} class="said">
        {plain(said, 20)}
      </span>
    </div>
  );
}

interface LineProps {
  view: TableView;
  payload: FeatureTablePayload;
  shape: Layout;
  place: number;
  row: Row | null;
  top: number;
  active: boolean;
}

function Line({ view, payload, shape, place, row, top, active }: LineProps) {
  const { state } = view;
  const style = { transform: `translateY(${top}px)` };
  const shared = { id: `row-${place}`, "aria-rowindex": place + 2, "data-place": place, style };
  if (!row) {
    return (
      <div {...shared} tabIndex={-1} role="row" class="trow waiting">
        <span role="gridcell" tabIndex={-1}>
          …
        </span>
      </div>
    );
  }
  const { rows, at } = row;
  const index = rows.index[at] as number;
  const id = state.id(index);
  const slot = state.chosen.value.indexOf(id);
  const label = rows.label[at] ?? "";
  const each = rows.words.length / rows.index.length;
  const tokens = rows.words.slice(at * each, (at + 1) * each).filter(Boolean);
  const cells = shape.columns.map((column) => {
    const value = statisticOf(payload, rows, at, column.name);
    return (
      <span key={column.name} class="num" role="gridcell" tabIndex={-1}>
        {column.unit === "score" && value !== null && (
          <span class="sbar" aria-hidden="true">
            <i style={{ width: `${100 * Math.min(1, Math.max(0, value))}%` }} />
          </span>
        )}
        {number(value, column)}
      </span>
    );
  });
  const openable = state.canOpen(id);
  return (
    <div
      {...shared}
      role="row"
      tabIndex={-1}
      class={`trow${active ? " on" : ""}${openable ? " opens" : ""}${state.opening.value === id ? " opening" : ""}`}
      aria-selected={slot >= 0}
    >
      <span role="gridcell" tabIndex={-1}>
        <button
          type="button"
          class={slot >= 0 ? `keybutton ${hue(slot)} picked` : "keybutton"}
          tabIndex={-1}
          aria-pressed={slot >= 0}
          aria-label={slot >= 0 ? words.dropRow(nameOf(row)) : words.chooseRow(nameOf(row))}
          onClick={(event) => {
            event.stopPropagation();
            state.toggle(id);
          }}
        >
          {slot >= 0 && letter(slot)}
        </button>
      </span>
      <span role="gridcell" tabIndex={-1} class="id">
        {index}
      </span>
      <span
        role="gridcell"
        tabIndex={-1}
        class={label ? "clip lab" : "clip q"}
        title={label ? plain(label) : undefined}
      >
        {label ? plain(label) : common.noLabelYet}
      </span>
      {cells[0]}
      {shape.bars && (
        <span role="gridcell" tabIndex={-1} aria-label={words.histogram}>
          <Bars heights={rows.bars.data.subarray(at * rows.bars.columns, (at + 1) * rows.bars.columns)} />
        </span>
      )}
      {cells.slice(1)}
      <span role="gridcell" tabIndex={-1} class="tk clip said">
        {tokens.map((token) => word(token).trim()).join(" ")}
      </span>
    </div>
  );
}

/** How strongly it fires, in half octaves up to the dictionary's greatest. */
function Bars({ heights }: { heights: Float32Array }) {
  const path = Array.from(heights, (height, i) => {
    const tall = Math.max(1, 16 * Math.min(1, height));
    return `M${i * 4} 16h3v${-tall}h-3z`;
  });
  return (
    <svg class="bars" width={heights.length * 4} height="16" aria-hidden="true">
      <path d={path.join("")} />
    </svg>
  );
}
