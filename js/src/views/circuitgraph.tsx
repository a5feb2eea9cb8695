// The CircuitGraph: bar, graph beside connections, pinned part beside predicted and measured effects, foot.
import { useEffect, useRef } from "preact/hooks";
import { Bar } from "../circuit/bar";
import { Acts, Connections } from "../circuit/connections";
import { Effect, NextWords } from "../circuit/effect";
import { Graph } from "../circuit/graph";
import { Legend } from "../circuit/legend";
import { type CircuitPart, CircuitState } from "../circuit/state";
import { Subgraph } from "../circuit/subgraph";
import { NodeTable } from "../circuit/table";
import { type CircuitView, makeView } from "../circuit/view";
import type { Draw } from "../mount";
import { Foot } from "../parts/foot";
import { Frame, type OwnKey } from "../parts/frame";
import { Inner } from "../parts/inner";
import { Failed } from "../parts/status";
import type { AnyModel } from "../picture";
import { plain } from "../signs";
import * as words from "../words/circuit";
import * as common from "../words/common";

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
  const n = state.selected.value;
  return (
    <Frame view={view} keys={words.keys} onKey={keyOf(view)} wide bare>
      <Failed view={view} />
      {!drawn && !state.failure.value && <p class="em">{words.tracing}</p>}
      {drawn && (
        <div class={`${state.drained.value ? "drained " : ""}${part.wide.value ? "talk" : ""}`}>
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
    </Frame>
  );
}

/** Keys that act anywhere in the view but in text fields. */
const keyOf =
  (view: CircuitView): OwnKey =>
  (event, typing) => {
    const command = event.ctrlKey || event.metaKey;
    const letter = event.key.toLowerCase();
    if (typing) return false;
    if (command && !event.altKey && ["z", "y"].includes(letter)) view.state.undo(!(event.shiftKey || letter === "y"));
    else if (event.key === "/" && !command) view.focus("find");
    else return false;
    return true;
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
  return (
    <Frame view={view} keys={words.keys} note={words.keysNote} onKey={keyOf(view)} wide>
      {payload && <Bar view={view} payload={payload} />}
      <Failed view={view} />
      {payload && (
        <div class={state.drained.value ? "drained" : ""}>
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
        <Opened key={state.feature.value} view={view} model={state.opened.value} draw={dashboard} />
      )}
      {late && (
        <Foot view={view} editable>
          {payload && (
            <>
              <span>{words.replacement(payload.replacement)}</span>
              <span>{words.completeness(payload.completeness)}</span>
              <span>{words.errorShare(1 - payload.completeness)}</span>
              {payload.residual > 0 && <span>{words.residual(payload.residual)}</span>}
              {payload.note && <span>{plain(payload.note, 200)}</span>}
            </>
          )}
        </Foot>
      )}
    </Frame>
  );
}

/** The dashboard of a feature, and the way back. */
function Opened({ view, model, draw }: { view: CircuitView; model: AnyModel; draw: Draw }) {
  const back = useRef<HTMLButtonElement>(null);
  useEffect(() => back.current?.focus(), []);
  return (
    <section class="inner" aria-label={common.dashboard}>
      <button
        type="button"
        class="btn"
        ref={back}
        onClick={() => {
          view.state.open("");
          view.focus("graph");
        }}
      >
        {common.closeDashboard}
      </button>
      <Inner model={model} draw={draw} root={view.root} />
    </section>
  );
}
