// The sheet: layers by tokens, moved as a picture while a pointer drags it, drawn anew when it rests.
import { untracked, useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { activation, percent, probability } from "../format";
import { plain } from "../signs";
import type { CircuitView } from "../views/circuitgraph";
import { graphKey } from "./keys";
import { CHANGED, ERROR, FEATURE, GONE, LOGIT, labelOf, NEW, rowName, shareOf, sideOf, wordAt } from "./kinds";
import { leftOf, type Places } from "./layout";
import { colorsOf, Edges, type Hand, paintHand, paintNodes, type Scene, type View } from "./paint";
import type { CircuitState } from "./state";

/** Narrower than this the sheet scrolls sideways. */
const NARROWEST = 560;
const NARROW_PANEL = 440;
/** In a lecture, where there is room for it. */
const LARGE = 1.5;
const ROOM = 520;
/** The sheet is drawn anew when nothing has moved for this long. */
const REST = 150;
const DEEPEST = 24;
/** A press that moves less is a click. */
const CLICK = 4;
const HOME: View = { k: 1, x: 0, y: 0 };

const pixels = (type: number): number => type * Math.min(2, globalThis.devicePixelRatio || 1);

/** A view with the sheet held inside its frame. */
function held(view: View, { width, height }: Places): View {
  const k = Math.min(DEEPEST, Math.max(1, view.k));
  const inside = (value: number, size: number) => Math.min(0, Math.max(size - size * k, value));
  return { k, x: inside(view.x, width), y: inside(view.y, height) };
}

/** The view after zooming by a factor about a point of the frame. */
export const zoomed = (view: View, factor: number, x: number, y: number): View => {
  const k = Math.min(DEEPEST, Math.max(1, view.k * factor));
  return { k, x: x - ((x - view.x) * k) / view.k, y: y - ((y - view.y) * k) / view.k };
};

/** Edges of the node in hand, and those among what is pinned. */
function handOf(state: CircuitState, hovered: number): Hand {
  const payload = state.payload.value;
  const links = state.links.value;
  const selected = state.selected.value;
  const edges: [number, number][] = [];
  if (payload && links) {
    const own = hovered >= 0 ? hovered : selected;
    for (const n of state.slots.value.keys()) {
      for (const e of links.into(n)) if (state.slots.value.has(payload.source[e] as number)) edges.push([e, 0.45]);
    }
    const side = sideOf(payload, state.side.value);
    const all = own < 0 ? [] : [...links.into(own), ...links.out(own)];
    const most = all.reduce((a, e) => Math.max(a, Math.abs(shareOf(payload, side, e))), 0);
    // Weak ones stay in view, but behind.
    for (const e of all)
      edges.push([e, Math.max(0.15, Math.min(1, (2.5 * Math.abs(shareOf(payload, side, e))) / most))]);
  }
  const shown = state.visible.value?.nodes;
  const there = (n: number) => n >= 0 && shown?.[n] === 1;
  const picked = state.picked.value.flatMap((id) => state.number.value.get(id) ?? []).filter(there);
  return { selected: there(selected) ? selected : -1, hovered, picked, edges: edges.slice(-2_000) };
}

export function Graph({ view }: { view: CircuitView }) {
  const { state } = view;
  // What stands around the graph waits until it is painted.
  useEffect(() => {
    const frame = requestAnimationFrame(() => {
      view.late.value = true;
    });
    return () => cancelAnimationFrame(frame);
  }, []);
  const box = useRef<HTMLDivElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const moved = useRef<HTMLDivElement>(null);
  const [low, middle, high] = [0, 1, 2].map(() => useRef<HTMLCanvasElement>(null));
  const place = useSignal<View>(HOME);
  const hovered = useSignal(-1);
  const theme = useSignal(0);
  const ready = useSignal(false);
  const scene = useComputed<Scene | null>(() => {
    const payload = state.payload.value;
    const [places, shown] = [state.places.value, state.visible.value];
    if (!payload || !places || !shown) return null;
    const { slots, edited, side } = state;
    return { payload, places, shown, slots: slots.value, edited: edited.value, side: side.value };
  });
  const painter = useRef<Edges>();

  const measured = useRef(() => {});
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => {
      const wide = Math.round(element.getBoundingClientRect().width);
      if (wide <= 0) return;
      state.large.value = state.part?.wide.value && wide > ROOM ? LARGE : 1;
      const next = Math.max(state.part ? NARROW_PANEL : NARROWEST, Math.round(wide / state.large.value));
      if (state.width.value === next) return;
      state.width.value = next;
      place.value = HOME;
      // What is explained stands to the right.
      requestAnimationFrame(() => {
        element.scrollLeft = element.scrollWidth;
      });
    };
    measured.current = measure;
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    const dressed = new MutationObserver(() => {
      theme.value++;
    });
    dressed.observe(view.root, { attributes: true, attributeFilter: ["class"] });
    return () => {
      observer.disconnect();
      dressed.disconnect();
      painter.current?.stop();
    };
  }, []);

  useSignalEffect(() => {
    state.part?.wide.value;
    untracked(measured.current);
  });

  useSignalEffect(() => {
    const drawn = scene.value;
    theme.value;
    const at = place.value;
    if (!ready.value || !drawn || !low?.current || !middle?.current) return;
    painter.current ??= new Edges(low.current);
    const colors = colorsOf(view.root);
    moved.current?.style.removeProperty("transform");
    const fine = pixels(state.large.value);
    paintNodes(middle.current, drawn, at, fine, colors);
    painter.current.paint(drawn, at, fine, colors, () => stage.current?.setAttribute("data-painted", "true"));
    stage.current?.setAttribute("data-nodes", String(drawn.shown.nodes.reduce((a, b) => a + b, 0)));
    stage.current?.setAttribute("data-edges", String(drawn.shown.edges.length));
  });
  useSignalEffect(() => {
    const drawn = scene.value;
    theme.value;
    if (!view.late.value || !ready.value || !drawn || !high?.current) return;
    const fine = pixels(state.large.value);
    paintHand(high.current, drawn, handOf(state, hovered.value), place.value, fine, colorsOf(view.root));
  });

  const mover = useMemo(() => new Mover(state, () => moved.current, place), []);
  // The canvases are there once the first measure has made the sheet.
  const stageRef = useMemo(
    () => (element: HTMLDivElement | null) => {
      stage.current = element;
      ready.value = element !== null;
      // One finger scrolls the page, unless there is more of the sheet than is in view.
      const keep = (event: TouchEvent) => {
        if (event.touches.length > 1 || mover.now.k > 1) event.preventDefault();
      };
      element?.addEventListener("touchmove", keep, { passive: false });
    },
    [],
  );
  useEffect(() => () => mover.stop(), []);
  view.zoom = (factor) => mover.zoom(factor);
  view.centre = (n) => mover.centre(n);

  const point = (event: MouseEvent): [number, number] => {
    const frame = stage.current?.getBoundingClientRect();
    const large = state.large.value;
    return [(event.clientX - (frame?.left ?? 0)) / large, (event.clientY - (frame?.top ?? 0)) / large];
  };
  const under = (event: MouseEvent): number => {
    const { k, x, y } = mover.now;
    const [px, py] = point(event);
    return state.grid.value?.at((px - x) / k, (py - y) / k, 14 / k) ?? -1;
  };
  const press = useRef<[number, number] | null>(null);
  const fingers = useMemo(() => new Map<number, [number, number]>(), []);
  /** Two fingers: the sheet grows with their distance and moves with their middle. */
  const pinched = (event: PointerEvent): boolean => {
    if (!fingers.has(event.pointerId) || fingers.size < 2) return false;
    const span = () => {
      const [[ax, ay], [bx, by]] = [...fingers.values()] as [[number, number], [number, number]];
      return [Math.hypot(ax - bx, ay - by) || 1, (ax + bx) / 2, (ay + by) / 2] as const;
    };
    const [was, x, y] = span();
    fingers.set(event.pointerId, point(event));
    const [now, nx, ny] = span();
    mover.about(now / was, x, y);
    mover.by(nx - x, ny - y);
    return true;
  };
  const dragged = useRef(false);
  const places = state.places.value;
  const payload = state.payload.value;
  const large = state.large.value;
  if (!payload) return null;
  return (
    <div class="gx" ref={box}>
      {places && (
        <div
          ref={stageRef}
          class={press.current && dragged.current ? "stage dragging" : "stage"}
          data-graph
          role="application"
          aria-roledescription="graph"
          aria-label={view.late.value ? view.summary() : "Attribution graph"}
          tabIndex={0}
          style={{ width: `${places.width * large}px`, height: `${places.height * large}px` }}
          onKeyDown={(event) => {
            if (!graphKey(view, event)) return;
            event.preventDefault();
            event.stopPropagation();
          }}
          onPointerDown={(event) => {
            if (event.button !== 0) return;
            if (event.pointerType === "touch") fingers.set(event.pointerId, point(event));
            press.current = fingers.size > 1 ? null : point(event);
            dragged.current = false;
          }}
          onPointerMove={(event) => {
            if (pinched(event)) return;
            const from = press.current;
            if (!from) {
              hovered.value = under(event);
              return;
            }
            const [x, y] = point(event);
            if (!dragged.current && Math.hypot(x - from[0], y - from[1]) < CLICK) return;
            if (!dragged.current) event.currentTarget.setPointerCapture(event.pointerId);
            dragged.current = true;
            hovered.value = -1;
            mover.by(x - from[0], y - from[1]);
            press.current = [x, y];
          }}
          onPointerUp={(event) => {
            fingers.delete(event.pointerId);
            const click = press.current && !dragged.current;
            press.current = null;
            if (click) view.press(under(event), event.ctrlKey || event.metaKey, event.shiftKey);
          }}
          onPointerCancel={(event) => {
            fingers.delete(event.pointerId);
            press.current = null;
          }}
          onPointerLeave={() => {
            hovered.value = -1;
          }}
          onDblClick={(event) => mover.about(2, ...point(event))}
          onWheel={(event) => {
            // The page scrolls, unless a key says otherwise or nothing is around the graph.
            if (!event.ctrlKey && !event.metaKey && !view.full.value) return;
            event.preventDefault();
            mover.about(Math.exp(-event.deltaY / 300), ...point(event));
          }}
        >
          <div
            class="sheet"
            style={{ width: `${places.width}px`, height: `${places.height}px`, transform: `scale(${large})` }}
          >
            <div class="moved" ref={moved} aria-hidden="true">
              <Here view={view} places={places} at={place.value} />
              <canvas ref={low} />
              <Words view={view} places={places} at={place.value} />
              <canvas ref={middle} />
              <canvas ref={high} />
              <Named view={view} places={places} at={place.value} />
            </div>
            <Tip view={view} places={places} at={place.value} n={hovered.value} />
          </div>
        </div>
      )}
    </div>
  );
}

/** Moves the drawn picture at once, and has it drawn anew at rest. */
class Mover {
  #now: View | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly state: CircuitState,
    private readonly element: () => HTMLElement | null,
    private readonly place: { value: View },
  ) {}

  get now(): View {
    return this.#now ?? this.place.value;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  by(dx: number, dy: number): void {
    const { k, x, y } = this.now;
    this.#to({ k, x: x + dx, y: y + dy });
  }

  about(factor: number, x: number, y: number): void {
    this.#to(zoomed(this.now, factor, x, y));
  }

  zoom(factor: number): void {
    const places = this.state.places.value;
    if (!places) return;
    if (factor === 0) this.#to(HOME);
    else this.about(factor, places.width / 2, places.height / 2);
  }

  /** Bring a node into the middle, where the sheet is larger than its frame. */
  centre(n: number): void {
    const places = this.state.places.value;
    const { k } = this.now;
    if (!places || n < 0) return;
    const [x, y] = [places.x[n] ?? 0, places.y[n] ?? 0];
    if (k > 1) this.#to({ k, x: places.width / 2 - k * x, y: places.height / 2 - k * y });
    const frame = this.element()?.closest(".gx");
    if (frame) frame.scrollLeft = x * this.state.large.value - frame.clientWidth / 2;
  }

  #to(view: View): void {
    const places = this.state.places.value;
    if (!places) return;
    const to = held(view, places);
    this.#now = to;
    const from = this.place.value;
    const grown = to.k / from.k;
    const shift = `translate(${to.x - from.x * grown}px, ${to.y - from.y * grown}px) scale(${grown})`;
    this.element()?.style.setProperty("transform", shift);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#now = null;
      this.place.value = to;
    }, REST);
  }
}

interface DrawnAt {
  view: CircuitView;
  places: Places;
  at: View;
}

/** The column of the token that an explorer has selected. */
function Here({ view, places, at }: DrawnAt) {
  const column = places.columns[view.state.token.value];
  if (!column) return null;
  const width = column.width * at.k;
  return <i class="here" style={{ left: `${column.x * at.k + at.x - width / 2}px`, width: `${width}px` }} />;
}

/** Names of rows, tokens and targets: real text. */
function Words({ view, places, at }: DrawnAt) {
  const { state } = view;
  const payload = state.payload.value;
  if (!payload) return null;
  const x = (value: number) => value * at.k + at.x;
  const y = (value: number) => value * at.k + at.y;
  const side = state.sideNow();
  const { kind, status } = payload.nodes;
  const targets = [...kind.keys()].filter((n) => kind[n] === LOGIT && (state.visible.value?.nodes[n] ?? 0));
  const changed = payload.tokens_before.length > 0 && state.side.value !== "before";
  const bottom = places.rows[0] ?? 0;
  const left = leftOf(payload);
  // Of many rows only some are named.
  const every = Math.ceil((13 * places.rows.length) / Math.max(1, (places.rows[0] ?? 0) * at.k));
  return (
    <svg class="words" width={places.width} height={places.height} aria-hidden="true">
      {places.rows.map((row, i) => (
        <g key={i}>
          <path
            class={i === 0 || i === places.rows.length - 1 ? "gr" : "gr dots"}
            d={`M${left} ${y(row)}H${places.width}`}
          />
          {(i % every === 0 || i === places.rows.length - 1) && (
            <text x={left - 8} y={y(row) + 4} text-anchor="end">
              {rowName(payload, i)}
            </text>
          )}
        </g>
      ))}
      {places.columns.map(({ x: middle, width }, t) => {
        const word = wordAt(payload, t, state.side.value);
        const other = changed && payload.tokens[t] !== payload.tokens_before[t];
        return (
          <g key={t}>
            <text class="tx" x={x(middle)} y={y(bottom) + 20} text-anchor="middle">
              {fitted(word, width * at.k)}
            </text>
            {other && <circle class="dot" cx={x(middle)} cy={y(bottom) + 5} r={2} />}
            {width * at.k > 14 && (
              <text class="small" x={x(middle)} y={y(bottom) + 34} text-anchor="middle">
                {t}
              </text>
            )}
          </g>
        );
      })}
      {targets.map((n) => {
        const p = side.probability[n] || side.weight[n] || 0;
        const gone = changed && status[n] === GONE;
        return (
          <text key={n} x={x(places.x[n] ?? 0)} y={y(places.y[n] ?? 0) - 9} text-anchor="middle">
            <tspan class={gone ? "tx gone" : "tx"}>
              {fitted(plain((payload.nodes.label[n] ?? "").trim(), 30), 110)}
            </tspan>{" "}
            <tspan class="p">{probability(p)}</tspan>
          </text>
        );
      })}
    </svg>
  );
}

/** As much of a word as there is room for. */
const fitted = (word: string, width: number): string => {
  const room = Math.floor(width / 7.4);
  return word.length <= Math.max(2, room) ? word : room < 3 ? word.slice(0, 1) : `${word.slice(0, room - 1)}…`;
};

/** The name of the node in hand beside it. */
function Named({ view, places, at }: DrawnAt) {
  const { state } = view;
  const n = state.selected.value;
  const payload = state.payload.value;
  if (!payload || n < 0 || !state.visible.value?.nodes[n] || (payload.nodes.kind[n] as number) > ERROR) return null;
  const [x, y] = [(places.x[n] ?? 0) * at.k + at.x, (places.y[n] ?? 0) * at.k + at.y];
  const left = x > places.width / 2;
  return (
    <span
      class="name"
      aria-hidden="true"
      style={{ [left ? "right" : "left"]: `${(left ? places.width - x : x) + 12}px`, top: `${y - 26}px` }}
    >
      {labelOf(payload, state.marks.value.names, n)}
    </span>
  );
}

/** What is under the pointer. */
function Tip({ view, places, at, n }: DrawnAt & { n: number }) {
  const { state } = view;
  const payload = state.payload.value;
  if (!payload || n < 0) return null;
  const [x, y] = [(places.x[n] ?? 0) * at.k + at.x, (places.y[n] ?? 0) * at.k + at.y];
  const left = Math.max(0, Math.min(x + 12, places.width - 250));
  const below = y < places.height / 2;
  return (
    <div
      class="pop tip"
      aria-hidden="true"
      style={{ left: `${left}px`, [below ? "top" : "bottom"]: `${below ? y + 14 : places.height - y + 14}px` }}
    >
      <div>{labelOf(payload, state.marks.value.names, n)}</div>
      <div class="sub">{detailOf(state, n)}</div>
    </div>
  );
}

/** Numbers of a node in words. */
export function detailOf(state: CircuitState, n: number): string {
  const payload = state.payload.value;
  if (!payload) return "";
  const { kind, position, density, status, row } = payload.nodes;
  const side = state.sideNow();
  const parts = [`${position[n]} ${wordAt(payload, position[n] ?? 0)}`];
  if (kind[n] === FEATURE || kind[n] === ERROR) parts.unshift(rowName(payload, row[n]));
  if (kind[n] === FEATURE) parts.push(`activation ${activation(side.activation[n] ?? 0)}`);
  parts.push(`influence ${probability(side.influence[n] ?? 0)}`);
  if (kind[n] === FEATURE) parts.push(`at ${percent(density[n] ?? 0)} of the tokens`);
  if (payload.before && kind[n] !== LOGIT) {
    const was = `was ${probability(payload.before.influence[n] ?? 0)}`;
    const words: Record<number, string> = { [CHANGED]: was, [NEW]: "new", [GONE]: "gone" };
    const said = words[status[n] ?? 0];
    if (said) parts.push(said);
  }
  return parts.join(" · ");
}
