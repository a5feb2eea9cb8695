// The PatchMap: two prompts, what each cell of the clean run restores in the corrupted one, and the chosen cell.
import { computed, signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { CHARTS } from "../css/charts";
import mirror from "../css/mirror.css";
import css from "../css/patchmap.css";
import { fill } from "../fill";
import { probability, signed } from "../format";
import { PATCH_MAP } from "../kinds/patchmap";
import { CellMap, inWords } from "../parts/cellmap";
import { CellSide } from "../parts/cellside";
import { Choose } from "../parts/choose";
import { Foot } from "../parts/foot";
import { drawn, Frame } from "../parts/frame";
import { Menu } from "../parts/menu";
import { PairText } from "../parts/pairtext";
import { shown } from "../parts/predictions";
import { type Choice, Segments } from "../parts/segments";
import { Failed, Working } from "../parts/status";
import { Steps } from "../parts/steps";
import type { PatchMapPayload } from "../payloads";
import { type AnyModel, type Followed, Picture, words as textOf } from "../picture";
import { plain } from "../signs";
import type { BaseView } from "../view";
import * as common from "../words/common";
import * as words from "../words/patchmap";

const SHOWS = [
  { value: "streams", label: words.streams },
  { value: "heads", label: words.heads },
  { value: "features", label: words.features },
];
const CORRUPTIONS = [
  { value: "swap", label: words.cleanToCorrupt },
  { value: "noise", label: words.noise },
];
const PROPAGATIONS = [
  { value: "free", label: common.free },
  { value: "frozen_attention", label: words.frozenAttention },
  { value: "direct", label: words.directEffect },
];
const ERRORS = [
  { value: "kept", label: common.errorKept },
  { value: "dropped", label: common.errorDropped },
];

/** State of one map: the prompts as they are typed, the chosen cell, a path that is being laid. */
export class PatchState extends Picture<PatchMapPayload> {
  readonly clean = signal("");
  readonly corrupt = signal("");
  readonly show = signal("streams");
  readonly corruption = signal("swap");
  readonly propagation = signal("free");
  readonly errorTerm = signal("kept");
  readonly cell = signal("");
  readonly hover = signal("");
  /** Where a path begins while its end is being chosen, else "". */
  readonly pathing = signal("");

  /** Clean and corrupted prompt have as many tokens: a place is one of both. */
  override readonly followed: readonly Followed[] = (["clean", "corrupt"] as const).map((side) => ({
    token: {
      at: computed(() => (this.cell.value ? Number(this.cell.value.split(":").pop()) : -1)),
      go: (token) => {
        if (this.cell.value) this.step(this.cell.value.replace(/\d+$/, String(token)));
      },
      prompt: () => this.payload.value?.[side] ?? "",
    },
  }));

  constructor(model: AnyModel) {
    super(model, PATCH_MAP);
    this.start(["clean", "corrupt", "show", "corruption", "propagation", "error_term", "cell"]);
  }

  type(name: "clean" | "corrupt", text: string): void {
    this[name].value = text;
    if (this.live.value) this.requests.run({ clean: this.clean.value, corrupt: this.corrupt.value }, true);
  }

  set = (name: "show" | "corruption" | "propagation" | "error_term", value: string): void => {
    const own = name === "error_term" ? this.errorTerm : this[name];
    if (!this.live.value || own.value === value) return;
    own.value = value;
    this.requests.run({ [name]: value });
  };

  /** A click: the cell is patched, or takes the path. */
  choose(cell: string): void {
    if (this.pathing.value) this.arrive(cell);
    else {
      this.cell.value = cell;
      if (this.live.value) this.requests.run({ cell });
    }
  }

  /** A key: the next cell, patched once the keys rest. */
  step(cell: string): void {
    this.cell.value = cell;
    if (this.live.value && !this.pathing.value) this.requests.run({ cell }, true);
  }

  /** Begin a path here; again: leave it. */
  begin(): void {
    this.pathing.value = this.pathing.value || !this.live.value ? "" : this.cell.value;
  }

  arrive(receiver: string): void {
    const sender = this.pathing.value;
    if (!sender || receiver === sender) return;
    this.pathing.value = "";
    this.cell.value = sender;
    this.requests.run({ cell: sender, path: [sender, receiver] });
  }

  /** A head of the chosen attention, in the map of heads. */
  open(cell: string): void {
    if (!this.live.value) return;
    this.show.value = "heads";
    this.cell.value = cell;
    this.requests.run({ show: "heads", cell });
  }

  protected override settled(failed: boolean): void {
    // Prompts that were refused stay in their boxes, to be made of one length.
    this.#adopt(!failed);
  }

  protected override view(): void {
    super.view();
    // What is being typed or chosen is newer than what Python says.
    if (!this.requests.busy.value) this.#adopt(this.failure.value === null);
  }

  #adopt(texts: boolean): void {
    const payload = this.payload.value;
    const said = (name: string, other: string) => textOf(this.model.get(name)) || other;
    if (texts || !this.clean.value) {
      this.clean.value = said("clean", payload?.clean ?? "");
      this.corrupt.value = said("corrupt", payload?.corrupt ?? "");
    }
    this.show.value = said("show", payload?.show ?? "");
    this.corruption.value = said("corruption", payload?.corruption ?? "");
    this.propagation.value = said("propagation", payload?.context.propagation ?? "");
    this.errorTerm.value = said("error_term", payload?.context.error ?? "");
    const cell = textOf(this.model.get("cell"));
    // A page keeps the cell that was chosen in it.
    if (this.live.value || !this.cell.value) this.cell.value = cell || (payload?.cell ?? "");
  }
}

export type PatchView = BaseView<PatchState>;

export const patchMap = drawn((model) => new PatchState(model), PatchMap, mirror, css, ...CHARTS);

function PatchMap({ view }: { view: PatchView }) {
  const { state } = view;
  const payload = state.payload.value;
  return (
    <Frame
      view={view}
      keys={words.keys}
      heard={
        payload && !state.requests.busy.value && (inWords(payload, state.cell.value) || plain(payload.verdict, 200))
      }
    >
      <Bar view={view} payload={payload} />
      {payload && <PairText view={view} payload={payload} />}
      <Failed view={view} />
      <Aligned view={view} />
      {payload && (
        <div class={state.drained.value ? "drained" : ""}>
          <Scale payload={payload} />
          <p class="sub reading clip">
            {inWords(payload, state.hover.value) || <Verdict view={view} payload={payload} />}
          </p>
          <div class="patched">
            <CellMap view={view} payload={payload} />
            <CellSide view={view} payload={payload} />
          </div>
        </div>
      )}
      <Foot view={view}>{payload && <Conditions view={view} payload={payload} />}</Foot>
    </Frame>
  );
}

/** Prompts of unequal length token over token; what has no partner is framed. */
function Aligned({ view }: { view: PatchView }) {
  const pairs = view.state.failure.value?.pairs ?? [];
  if (!pairs.length) return null;
  const gap = pairs.findIndex((pair) => pair.includes(""));
  const from = Math.max(0, gap - 30);
  const cell = (text: string, other: string) => (
    <span class={`tk${text && !other ? " alone" : text === other ? "" : " differs"}`}>
      {text ? shown(text) : "\u00a0"}
    </span>
  );
  return (
    <div class="aligned" role="group" aria-label={words.bothPromptsAligned}>
      <span class="sub">
        <span>{words.clean}</span>
        <span>{words.corrupt}</span>
      </span>
      {from > 0 && <span class="sub">…</span>}
      {pairs.slice(from, from + 100).map(([one, other], i) => (
        <span key={i}>
          {cell(one, other)}
          {cell(other, one)}
        </span>
      ))}
      {pairs.length > from + 100 && <span class="sub">…</span>}
    </div>
  );
}

function Bar({ view, payload }: { view: PatchView; payload: PatchMapPayload | null }) {
  const { state } = view;
  return (
    <div class="bar0">
      <fieldset class="bare" disabled={!state.live.value}>
        <Segments
          label={words.map}
          choices={SHOWS}
          value={state.show.value}
          set={(value) => state.set("show", value)}
        />{" "}
        <Segments
          label={words.corruptedRun}
          choices={CORRUPTIONS}
          value={state.corruption.value}
          set={(value) => state.set("corruption", value)}
        />
      </fieldset>
      <span class="sp" />
      <Working view={view} stale={words.stale}>
        {payload &&
          `${words.cells(payload.n_patches)}${
            payload.context.milliseconds > 0 ? ` · ${(payload.context.milliseconds / 1000).toFixed(1)} s` : ""
          }`}
      </Working>
      <span class="steps">
        <Steps state={state} />
        <Menu view={view} label="⋯" name={common.menu} bare full />
      </span>
    </div>
  );
}

/** The colours, their ends, and what is not printed. */
function Scale({ payload }: { payload: PatchMapPayload }) {
  const bands = payload.blocks.flatMap(({ band }) => (band === null ? [] : [band]));
  const most = Math.max(0, ...bands);
  const known = bands.length > 0 && bands.length === payload.blocks.length;
  return (
    <div class="legend">
      <span>
        {fill(words.restoredShare, {
          target: plain(payload.target, 80),
          least: signed(-1, 0),
          ramp: (
            <span class="sw1 ends" aria-hidden="true">
              {Array.from({ length: 11 }, (_, n) => (
                <i key={n} style={{ background: `var(--d${n})` }} />
              ))}
            </span>
          ),
        })}
      </span>
      <span>{words.ends(signed(payload.low, 1), signed(payload.high, 1, true))}</span>
      <span>{known ? words.controls(payload.controls, probability(most)) : common.controlReading}</span>
    </div>
  );
}

function Verdict({ view, payload }: { view: PatchView; payload: PatchMapPayload }): ComponentChildren {
  const nothing = payload.verdict.startsWith(words.verdictNothing);
  if (!payload.verdict) return view.state.live.value ? words.measuring : "";
  return nothing ? <b>{plain(payload.verdict, 300)}</b> : plain(payload.verdict, 300);
}

/** Under what the numbers hold; each can be changed. */
function Conditions({ view, payload }: { view: PatchView; payload: PatchMapPayload }) {
  const { state } = view;
  const { context, show } = payload;
  const live = state.live.value;
  const chosen = (
    label: string,
    name: "propagation" | "error_term",
    choices: Choice[],
    value: string,
    free: boolean,
  ) =>
    free ? (
      <Choose label={label} choices={choices} value={value} set={(value) => state.set(name, value)} />
    ) : (
      <span>{choices.find((choice) => choice.value === value)?.label ?? plain(value, 40)}</span>
    );
  return (
    <>
      <span>{words.onePlaceOnePosition}</span>
      {chosen(
        common.propagationHead,
        "propagation",
        PROPAGATIONS,
        live ? state.propagation.value : context.propagation,
        live,
      )}
      {chosen(
        common.errorTermHead,
        "error_term",
        ERRORS,
        live && show === "features" ? state.errorTerm.value : context.error,
        live && show === "features",
      )}
      <span>{common.prompts(payload.n_prompts)}</span>
      <span>{common.seedOf(context.seed)}</span>
    </>
  );
}
