// The CircuitGraph: bar, graph beside connections, pinned part beside predicted and measured effects, foot.
import { type Signal, signal } from "@preact/signals";
import type { ComponentChild } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Bar } from "../circuit/bar";
import { Acts, Connections } from "../circuit/connections";
import { Effect, NextWords } from "../circuit/effect";
import { detailOf, Graph } from "../circuit/graph";
import { KEYS } from "../circuit/keys";
import { type CircuitPayload, FEATURE, featureOf, labelOf, shareOf } from "../circuit/kinds";
import { type CircuitPart, CircuitState } from "../circuit/state";
import { Subgraph } from "../circuit/subgraph";
import { NodeTable } from "../circuit/table";
import { CHARTS } from "../css/charts";
import css from "../css/circuit.css";
import { plural, probability, significant } from "../format";
import type { Draw } from "../mount";
import { Foot } from "../parts/foot";
import { Help, helpKey } from "../parts/help";
import { Edge, Failed } from "../parts/status";
import type { AnyModel } from "../picture";
import { plain } from "../signs";
import { type BaseView, makeBaseView } from "../view";

/** What the parts of a circuit ask of each other. */
export interface CircuitView extends BaseView<CircuitState> {
  full: Signal<boolean>;
  /** Nodes have been painted: what would have kept them waiting can come. */
  late: Signal<boolean>;
  grouping: Signal<boolean> | null;
  zoom: (factor: number) => void;
  centre: (n: number) => void;
  summary: () => string;
  /** Ids that an action is done to: the node in hand and those chosen beside it. */
  chosen: () => string[];
  press: (n: number, control: boolean, shift: boolean) => void;
  pick: (id: string) => void;
  /** Take the node through which most passes into the hand. */
  take: (nodes: readonly number[]) => void;
  pin: () => void;
  ablate: () => void;
  open: () => void;
  turn: () => void;
  grow: () => void;
  tell: (n: number) => void;
  focus: (part: "graph" | "find" | "label" | "group") => void;
}

function makeView(state: CircuitState, root: HTMLElement, ended: AbortSignal): CircuitView {
  const find = (selector: string) => root.querySelector<HTMLElement>(selector);
  const id = (n: number) => state.payload.value?.nodes.id[n] ?? "";
  const view: CircuitView = {
    ...makeBaseView(state, root, ended, CHARTS),
    full: signal(false),
    late: signal(false),
    grouping: null,
    zoom: () => {},
    centre: () => {},
    summary: () => (state.payload.value ? summaryOf(state, state.payload.value) : ""),
    chosen: () => [...new Set([...(state.selection.value ? [state.selection.value] : []), ...state.picked.value])],
    press: (n, control, shift) => {
      if (n < 0) {
        if (!control && !shift) state.picked.value = [];
        return;
      }
      if (control) state.pin([id(n)]);
      else if (shift) view.pick(id(n));
      else {
        state.picked.value = [];
        state.select(id(n));
      }
    },
    pick: (one) => {
      const { picked } = state;
      if (one)
        picked.value = picked.value.includes(one)
          ? picked.value.filter((other) => other !== one)
          : [...picked.value, one];
    },
    take: (nodes) => {
      const side = state.sideNow();
      const best = [...nodes].sort((a, b) => (side.influence[b] ?? 0) - (side.influence[a] ?? 0))[0];
      if (best === undefined) return;
      state.select(id(best));
      view.centre(best);
      view.tell(best);
    },
    pin: () => {
      const ids = view.chosen();
      if (ids.length) state.pin(ids);
      view.said.value = `${plural(state.marks.value.pinned.length, "node")} pinned.`;
    },
    ablate: () => {
      if (state.live.value) state.ablate(view.chosen().flatMap((one) => state.number.value.get(one) ?? []));
    },
    open: () => {
      const n = state.selected.value;
      if (state.live.value && state.payload.value?.nodes.kind[n] === FEATURE) state.open(featureOf(id(n)));
    },
    turn: () => {
      const sides = ["now", "before", "both"];
      if (state.payload.value?.before) state.setSide(sides[(sides.indexOf(state.side.value) + 1) % 3] ?? "now");
    },
    grow: () => grow(view),
    tell: (n) => {
      const payload = state.payload.value;
      if (payload) view.said.value = `${labelOf(payload, state.marks.value.names, n)}, ${detailOf(state, n)}`;
    },
    focus: (part) => {
      if (part === "group") {
        if (view.grouping) view.grouping.value = true;
      } else find(part === "graph" ? "[data-graph]" : `[data-focus=${part}]`)?.focus();
    },
  };
  return view;
}

/** The whole screen, or back. Where a browser has none, the view fills the window. */
async function grow(view: CircuitView): Promise<void> {
  const { root } = view;
  const leave = document.fullscreenElement !== null || root.classList.contains("full");
  try {
    if (leave) await document.exitFullscreen();
    else await root.requestFullscreen();
  } catch {
    // The class below does what it can.
  }
  root.classList.toggle("full", !leave);
  view.full.value = !leave;
}

/** What the picture shows, for those who hear it. */
function summaryOf(state: CircuitState, payload: CircuitPayload): string {
  const shown = state.visible.value;
  const places = payload.nodes;
  const n = shown ? places.kind.reduce((sum, kind, i) => sum + (kind <= 1 && shown.nodes[i] ? 1 : 0), 0) : 0;
  const parts = [
    `Attribution graph of “${plain(payload.prompt, 120)}” by layer and token`,
    `${plural(n, "node")}, ${plural(shown?.edges.length ?? 0, "edge")}`,
  ];
  const path = strongest(state, payload);
  if (path.length > 1)
    parts.push(`strongest path ${path.map((one) => labelOf(payload, state.marks.value.names, one)).join(", ")}`);
  const pinned = state.units.value.map(({ label }) => label);
  if (pinned.length) parts.push(`pinned ${pinned.slice(0, 8).join(", ")}`);
  if (payload.edits) parts.push(`under ${plain(payload.edits, 120)}`);
  return `${parts.join("; ")}. Arrow keys walk, question mark lists the keys.`;
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

/** The view, with what draws a dashboard inside it; a page has no model to open one from. */
export const circuitGraph =
  (dashboard?: Draw): Draw =>
  (model, root, ended, host) => {
    const state = new CircuitState(model, host);
    return { state, element: <CircuitGraph view={makeView(state, root, ended)} dashboard={dashboard} /> };
  };

/** The graph as a panel of an explorer. */
export const circuitPart =
  (part: CircuitPart): Draw =>
  (model, root, ended, host) => {
    const state = new CircuitState(model, host, part);
    return { state, element: <Panel view={makeView(state, root, ended)} part={part} /> };
  };

function Panel({ view, part }: { view: CircuitView; part: CircuitPart }) {
  const { state } = view;
  const payload = state.payload.value;
  const drawn = payload && payload.nodes.id.length > 0;
  const drained = state.requests.stale.value || state.failure.value !== null;
  const n = state.selected.value;
  return (
    <div class="w wide" onKeyDown={keyOf(view, helpKey(view))}>
      <style>{css}</style>
      <Edge view={view} />
      <Failed view={view} />
      {!drawn && !state.failure.value && <p class="em">Tracing the circuit …</p>}
      {drawn && (
        <div class={`${drained ? "drained " : ""}${part.wide.value ? "grid cg" : ""}`}>
          <div>
            <Graph view={view} />
            <Legend view={view} payload={payload} />
          </div>
          <div class="side">
            {part.wide.value || n < 0 ? (
              <Connections view={view} payload={payload} />
            ) : (
              <Acts view={view} payload={payload} n={n} />
            )}
          </div>
        </div>
      )}
      <Help view={view} keys={KEYS} />
      <div class="hear" role="status" aria-live="polite">
        {view.said}
      </div>
    </div>
  );
}

/** Keys that act anywhere in the view but in text fields. */
const keyOf = (view: CircuitView, help: (event: KeyboardEvent) => void) => (event: KeyboardEvent) => {
  const { state } = view;
  const { tagName, type } = event.composedPath()[0] as HTMLInputElement;
  const typing = tagName === "TEXTAREA" || (tagName === "INPUT" && type !== "range");
  if (typing) return;
  const command = event.ctrlKey || event.metaKey;
  if (command && !event.altKey && ["z", "y"].includes(event.key.toLowerCase())) {
    state.undo(!(event.shiftKey || event.key.toLowerCase() === "y"));
  } else if (event.key === "/" && !command) view.focus("find");
  else {
    help(event);
    return;
  }
  event.preventDefault();
  event.stopPropagation();
};

function CircuitGraph({ view, dashboard }: { view: CircuitView; dashboard?: Draw | undefined }) {
  const { state } = view;
  const payload = state.payload.value;
  const late = view.late.value;
  useEffect(() => {
    const left = () => {
      if (document.fullscreenElement) return;
      view.root.classList.remove("full");
      view.full.value = false;
    };
    document.addEventListener("fullscreenchange", left, { signal: view.signal });
  }, []);
  const drained = state.requests.stale.value || state.failure.value !== null;
  return (
    <div
      class="w wide"
      style={{ "min-height": payload ? undefined : `${state.height}px` }}
      onKeyDown={keyOf(view, helpKey(view))}
    >
      <style>{css}</style>
      <Edge view={view} />
      {payload && <Bar view={view} payload={payload} />}
      <Failed view={view} />
      {payload && (
        <div class={drained ? "drained" : ""}>
          <div class="grid cg">
            <div>
              <Graph view={view} />
              <Legend view={view} payload={payload} />
            </div>
            <div class="side">
              {late && (
                <>
                  <Connections view={view} payload={payload} />
                  <NextWords payload={payload} />
                </>
              )}
            </div>
          </div>
          {late && (
            <>
              <div class="grid cg2">
                <Subgraph view={view} payload={payload} />
                <Effect view={view} payload={payload} />
              </div>
              <NodeTable view={view} payload={payload} />
            </>
          )}
        </div>
      )}
      {state.opened.value && dashboard && (
        <Inner key={state.feature.value} view={view} model={state.opened.value} draw={dashboard} />
      )}
      {late && (
        <Foot view={view} editable>
          {payload && (
            <>
              <span>replacement {probability(payload.replacement)}</span>
              <span>completeness {probability(payload.completeness)}</span>
              <span>error share {probability(1 - payload.completeness)}</span>
              {payload.residual > 0 && <span>additivity residual {significant(payload.residual)}</span>}
              {payload.note && <span>{plain(payload.note, 200)}</span>}
            </>
          )}
        </Foot>
      )}
      <Help
        view={view}
        keys={KEYS}
        note="Letters act while the graph has focus. Drag to move, Ctrl and click to pin, Shift and click to choose several."
      />
      <div class="hear" role="status" aria-live="polite">
        {view.said}
      </div>
    </div>
  );
}

function Legend({ view, payload }: { view: CircuitView; payload: CircuitPayload }): ComponentChild {
  const both = payload.before !== null && view.state.side.value !== "before";
  return (
    <div class="legend main">
      <span>
        <svg class="sign" width="26" height="8" aria-hidden="true">
          <path d="M0 4H26" stroke="var(--raises)" stroke-width="3" />
        </svg>{" "}
        raises
      </span>
      <span>
        <svg class="sign" width="26" height="8" aria-hidden="true">
          <path d="M0 4H26" stroke="var(--lowers)" stroke-width="2" stroke-dasharray="5 3" />
        </svg>{" "}
        lowers
      </span>
      <span>
        <svg class="sign" width="28" height="14" aria-hidden="true">
          <circle cx="4" cy="7" r="2" fill="var(--control)" />
          <circle cx="19" cy="7" r="6" fill="var(--control)" />
        </svg>{" "}
        feature, area = influence
      </span>
      <span>
        <svg class="sign" width="10" height="10" aria-hidden="true">
          <rect x="1" y="1" width="8" height="8" fill="none" stroke="var(--control)" stroke-width="1.2" />
        </svg>{" "}
        error
      </span>
      {both && (
        <>
          <span>
            <svg class="sign" width="16" height="14" aria-hidden="true">
              <circle cx="8" cy="7" r="3" fill="var(--control)" />
              <circle cx="8" cy="7" r="6" fill="none" stroke="var(--ink2)" />
            </svg>{" "}
            new
          </span>
          <span>
            <svg class="sign" width="14" height="14" aria-hidden="true">
              <circle
                cx="7"
                cy="7"
                r="5"
                fill="none"
                stroke="var(--ink2)"
                stroke-width="1.5"
                stroke-dasharray="2.5 2"
              />
            </svg>{" "}
            gone
          </span>
        </>
      )}
    </div>
  );
}

/** The dashboard of a feature, drawn by its own view from its own model. */
function Inner({ view, model, draw }: { view: CircuitView; model: AnyModel; draw: Draw }) {
  const ended = useMemo(() => new AbortController(), [model]);
  const drawn = useMemo(() => draw(model, view.root, ended.signal), [model]);
  const back = useRef<HTMLButtonElement>(null);
  useEffect(() => back.current?.focus(), []);
  useEffect(
    () => () => {
      ended.abort();
      drawn.state.close();
    },
    [drawn],
  );
  return (
    <section class="inner" aria-label="Dashboard">
      <button
        type="button"
        class="btn"
        ref={back}
        onClick={() => {
          view.state.open("");
          view.focus("graph");
        }}
      >
        Close the dashboard
      </button>
      {drawn.element}
    </section>
  );
}
