// The sheet: layers by tokens, moved as a picture while a pointer drags it, drawn anew when it rests.
import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
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
/** A press that moves less is a click. */
const CLICK = 4;

const pixels = (): number => Math.min(2, globalThis.devicePixelRatio || 1);

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

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => {
      const wide = Math.round(element.getBoundingClientRect().width);
      if (wide <= 0) return;
      const next = Math.max(state.part ? NARROW_PANEL : NARROWEST, wide);
      if (state.width.value === next) return;
      state.width.value = next;
      place.value = HOME;
      // What is explained stands to the right.
      requestAnimationFrame(() => {
        element.scrollLeft = element.scrollWidth;
      });
    };
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
    const drawn = scene.value;
    theme.value;
    const at = place.value;
    if (!ready.value || !drawn || !low?.current || !middle?.current) return;
    painter.current ??= new Edges(low.current);
    const colors = colorsOf(view.root);
    moved.current?.style.removeProperty("transform");
    paintNodes(middle.current, drawn, at, pixels(), colors);
    painter.current.paint(drawn, at, pixels(), colors, () => stage.current?.setAttribute("data-painted", "true"));
    stage.current?.setAttribute("data-nodes", String(drawn.shown.nodes.reduce((a, b) => a + b, 0)));
    stage.current?.setAttribute("data-edges", String(drawn.shown.edges.length));
  });
  useSignalEffect(() => {
    const drawn = scene.value;
    theme.value;
    if (!view.late.value || !ready.value || !drawn || !high?.current) return;
    paintHand(high.current, drawn, handOf(state, hovered.value), place.value, pixels(), colorsOf(view.root));
  });

  // The canvases are there once the first measure has made the sheet.
  const stageRef = useMemo(
    () => (element: HTMLDivElement | null) => {
      stage.current = element;
      ready.value = element !== null;
    },
    [],
  );
  const mover = useMemo(() => new Mover(state, () => moved.current, place), []);
  useEffect(() => () => mover.stop(), []);
  view.zoom = (factor) => mover.zoom(factor);
  view.centre = (n) => mover.centre(n);

  const point = (event: MouseEvent): [number, number] => {
    const frame = stage.current?.getBoundingClientRect();
    return [event.clientX - (frame?.left ?? 0), event.clientY - (frame?.top ?? 0)];
  };
  const under = (event: MouseEvent): number => {
    const { k, x, y } = mover.now;
    const [px, py] = point(event);
    return state.grid.value?.at((px - x) / k, (py - y) / k, 14 / k) ?? -1;
  };
  const press = useRef<[number, number] | null>(null);
  const dragged = useRef(false);
  const places = state.places.value;
  const payload = state.payload.value;
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
          style={{ width: `${places.width}px`, height: `${places.height}px` }}
          onKeyDown={(event) => {
            if (!graphKey(view, event)) return;
            event.preventDefault();
            event.stopPropagation();
          }}
          onPointerDown={(event) => {
            if (event.button !== 0) return;
            press.current = point(event);
            dragged.current = false;
          }}
          onPointerMove={(event) => {
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
            const click = press.current && !dragged.current;
            press.current = null;
            if (click) view.press(under(event), event.ctrlKey || event.metaKey, event.shiftKey);
          }}
          onPointerCancel={() => {
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
      )}
    </div>
  );
}
