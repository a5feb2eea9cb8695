// The bar: how much is shown, find a node, the text that is explained, status, undo, full screen, menu.
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { percent, probability } from "../format";
import { Menu } from "../parts/menu";
import { Segments } from "../parts/segments";
import { piled, plain } from "../signs";
import { disabledReason } from "../view";
import * as words from "../words/circuit";
import * as common from "../words/common";
import { type CircuitPayload, ERROR, FEATURE, labelOf, rowName, wordAt } from "./kinds";
import type { CircuitView } from "./view";

interface Props {
  view: CircuitView;
  payload: CircuitPayload;
}

export function Bar({ view, payload }: Props) {
  const { state } = view;
  const picker = useRef<HTMLInputElement>(null);
  const graphFile = {
    label: state.file.value ? words.closeFile : words.openFile,
    act: () => (state.file.value ? state.read() : picker.current?.click()),
    off: state.file.value === null ? words.needsPython : "",
  };
  // What the payload does not hold, Python has.
  const limit = state.live.value ? 1 : Math.max(0.05, payload.most_nodes);
  return (
    <>
      <div class="bar0 circuitbar">
        <Share
          name={words.nodesHead}
          title={words.nodesShare}
          value={Math.min(limit, state.keepNodes.value)}
          most={limit}
          set={(value) => state.keep("keep_nodes", value)}
        />
        <Share
          name={words.edgesHead}
          title={words.edgesShare}
          value={state.keepEdges.value}
          most={1}
          set={(value) => state.keep("keep_edges", value)}
        />
        <Share
          name={common.density}
          title={words.densityMost}
          value={state.density.value}
          most={1}
          set={(value) => {
            state.density.value = value;
          }}
          written={percent}
        />
        <Find view={view} payload={payload} />
        {payload.before && (
          <Segments
            label={words.whichGraph}
            choices={[
              { value: "now", label: words.now },
              { value: "before", label: words.before },
              { value: "both", label: words.both },
            ]}
            value={state.side.value}
            set={state.setSide}
          />
        )}
        <span class="sp" />
        <Status view={view} payload={payload} />
        <span class="steps">
          <button
            type="button"
            class="btn bare"
            title={common.undoKeys}
            aria-label={common.undo}
            disabled={!state.canUndo}
            onClick={() => state.undo(true)}
          >
            ↶
          </button>
          <button
            type="button"
            class="btn bare"
            title={common.redoKeys}
            aria-label={common.redo}
            disabled={!state.canRedo}
            onClick={() => state.undo(false)}
          >
            ↷
          </button>
          <button
            type="button"
            class="btn bare"
            title={words.fullScreenKey}
            aria-label={words.fullScreen}
            aria-pressed={view.full.value}
            onClick={view.grow}
          >
            {/* No sign: a browser would look through its fonts for one. */}
            <svg width="11" height="11" stroke="currentColor" fill="none" aria-hidden="true">
              <path d="M6.5 1H10V4.5M10 1L1 10M1 6.5V10H4.5" />
            </svg>
          </button>
          <Menu view={view} label="⋯" name={common.menu} bare full more={["json"]} own={[graphFile]} />
          <input
            ref={picker}
            type="file"
            accept=".json"
            hidden
            aria-label={words.graphFile}
            onChange={({ currentTarget }) => {
              if (currentTarget.files?.[0]) state.read(currentTarget.files[0]);
              currentTarget.value = "";
            }}
          />
        </span>
      </div>
      {state.live.value && <Prompt view={view} />}
    </>
  );
}

interface ShareProps {
  name: string;
  title: string;
  value: number;
  most: number;
  set: (value: number) => void;
  written?: (value: number) => string;
}

function Share({ name, title, value, most, set, written = probability }: ShareProps) {
  const least = 0.05;
  const part = (100 * (value - least)) / Math.max(1e-9, most - least);
  return (
    <span class="share" title={title}>
      <span class="i2">{name}</span>
      <span class="sl plain-slider">
        <i style={{ left: "0", width: `${part}%` }} />
        <input
          type="range"
          min={least}
          max={most}
          step="0.01"
          value={value}
          aria-label={`${name}: ${title}`}
          aria-valuetext={written(value)}
          onInput={(event) => set(Math.min(most, Number(event.currentTarget.value)))}
        />
      </span>
      <span class="num">{written(value)}</span>
    </span>
  );
}

/** The text; the graph follows what is typed. */
function Prompt({ view }: { view: CircuitView }) {
  const { state } = view;
  return (
    <div class="prompt">
      <textarea
        rows={1}
        aria-label={common.prompt}
        spellcheck={false}
        autocapitalize="off"
        value={state.prompt.value}
        onFocus={() => {
          state.base = state.prompt.value;
        }}
        onBeforeInput={(event) => {
          if (piled(event.data ?? "")) event.preventDefault();
        }}
        onInput={(event) => state.type(event.currentTarget.value)}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key !== "Escape" && (event.key !== "Enter" || event.shiftKey)) return;
          event.preventDefault();
          view.focus("graph");
        }}
      />
    </div>
  );
}

function Status({ view, payload }: Props) {
  const { state } = view;
  const { busy, progress, stale } = state.requests;
  const reason = state.live.value ? disabledReason(state) : "";
  if (reason) return <span class="sub status">{reason}</span>;
  const stop = (
    <button type="button" class="link" onClick={() => state.requests.cancel()}>
      {common.stop}
    </button>
  );
  if (busy.value && progress.value) {
    const { done, total, note } = progress.value;
    return (
      <span class="sub status">
        {plain(note, 60) || words.working} {total > 0 && common.ofTotal(done, total)} · {stop}
      </span>
    );
  }
  if (stale.value)
    return (
      <span class="sub status">
        {words.showingOld} · {stop}
      </span>
    );
  const shown = state.visible.value;
  if (!shown) return null;
  const { kind } = payload.nodes;
  const of = (wanted: number) => kind.reduce((sum, one, n) => sum + (one === wanted && shown.nodes[n] ? 1 : 0), 0);
  const seconds = payload.context.milliseconds / 1000;
  // What is left out is said whole, on a row of its own if need be.
  const left = state.keepNodes.value > payload.most_nodes || payload.n_edges > payload.source.length;
  return (
    <span class={`sub status${left || payload.covered < 0.9995 ? "" : " calm"}`}>
      {common.features(of(FEATURE))} · {words.errors(of(ERROR))} · {words.edges(shown.edges.length)}
      {state.keepNodes.value > payload.most_nodes && words.nodesOf(payload.most_nodes)}
      {payload.n_edges > payload.source.length && words.ofStrongest(payload.source.length)}
      {payload.covered < 0.9995 && words.ofInfluence(payload.covered)}
      {seconds > 0 && ` · ${seconds.toFixed(1)} s`}
    </span>
  );
}

const HITS = 12;
let instances = 0;

/** Nodes by name, id, token or layer. */
function Find({ view, payload }: Props) {
  const { state } = view;
  const query = useSignal("");
  const active = useSignal(0);
  const prefix = useRef(`node${++instances}-`).current;
  const terms = query.value.toLowerCase().split(/\s+/).filter(Boolean);
  const { id, row, position, kind } = payload.nodes;
  const hits: number[] = [];
  if (terms.length > 0) {
    for (let n = 0; n < id.length && hits.length < 400; n++) {
      const label = labelOf(payload, state.marks.value.names, n);
      const text = `${label} ${id[n]} ${wordAt(payload, position[n] ?? 0)} ${rowName(payload, row[n])}`.toLowerCase();
      if (terms.every((term) => text.includes(term))) hits.push(n);
    }
    const side = state.sideNow();
    hits.sort((a, b) => (side.influence[b] ?? 0) - (side.influence[a] ?? 0));
    hits.length = Math.min(HITS, hits.length);
  }
  const take = (n: number | undefined) => {
    if (n === undefined) return;
    query.value = "";
    view.take([n]);
    view.focus("graph");
  };
  return (
    <span class="search find">
      <input
        type="text"
        role="combobox"
        data-focus="find"
        placeholder={words.findNode}
        aria-label={words.findNode}
        aria-expanded={terms.length > 0}
        aria-autocomplete="list"
        aria-controls={`${prefix}list`}
        aria-activedescendant={hits.length ? `${prefix}${active.value}` : undefined}
        spellcheck={false}
        autocomplete="off"
        value={query.value}
        onInput={(event) => {
          query.value = event.currentTarget.value;
          active.value = 0;
        }}
        onKeyDown={(event) => {
          event.stopPropagation();
          const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
          if (by) {
            active.value = Math.max(0, Math.min(hits.length - 1, active.value + by));
            event.preventDefault();
          } else if (event.key === "Enter") take(hits[active.value]);
          else if (event.key === "Escape") {
            query.value = "";
            view.focus("graph");
          }
        }}
      />
      <kbd>/</kbd>
      <span
        class="pop hits"
        role="listbox"
        id={`${prefix}list`}
        aria-label={words.nodesFound}
        hidden={hits.length === 0}
      >
        {hits.map((n, i) => (
          <span
            key={n}
            id={`${prefix}${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={i === active.value}
            class={i === active.value ? "hit on" : "hit"}
            onPointerDown={(event) => {
              event.preventDefault();
              take(n);
            }}
          >
            <span class="clip">{labelOf(payload, state.marks.value.names, n)}</span>{" "}
            <span class="id">
              {rowName(payload, row[n])} · {position[n]} {kind[n] === FEATURE ? wordAt(payload, position[n] ?? 0) : ""}
            </span>
          </span>
        ))}
      </span>
      {terms.length > 0 && hits.length === 0 && <span class="pop hits q">{words.noNodeFound}</span>}
    </span>
  );
}
