// The sheet: layers by tokens, moved as a picture while a pointer drags it, drawn anew when it rests.
import { untracked, useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import * as words from "../words/circuit";
import { graphKey } from "./keys";
import { shareOf, sideOf } from "./kinds";
import { HOME, Mover } from "./mover";
import { Here, Named, Tip, Words } from "./over";
import { colorsOf, Edges, type Hand, paintHand, paintNodes, type Scene, type View } from "./paint";
import type { CircuitState } from "./state";
import type { CircuitView } from "./view";

/** Narrower than this the sheet scrolls sideways. */
const NARROWEST = 560;
const NARROW_PANEL = 440;
/** In a lecture, where there is room for it. */
const LARGE = 1.5;
const ROOM = 520;
/** A press that moves less is a click. */
const CLICK = 4;

const pixels = (type: number): number => type * Math.min(2, globalThis.devicePixelRatio || 1);

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
          aria-roledescription={words.graph}
          aria-label={view.late.value ? view.summary() : words.attributionGraph}
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
