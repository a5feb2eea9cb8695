// Steering: what a model writes as it is, steered, and under the controls, while it writes; what each strength buys.
import { signal } from "@preact/signals";
import { CHARTS } from "../css/charts";
import css from "../css/steering.css";
import { STEERING } from "../kinds/steering";
import type { Draw } from "../mount";
import { DoseCharts } from "../parts/dosecharts";
import { Foot } from "../parts/foot";
import { drawn, Frame, type OwnKey } from "../parts/frame";
import { KeptRuns } from "../parts/keptruns";
import { Menu } from "../parts/menu";
import { Segments } from "../parts/segments";
import { Edge, Failed } from "../parts/status";
import { Steers } from "../parts/steers";
import { Columns } from "../parts/written";
import type { ChatMessage, SteeringPayload } from "../payloads";
import { type AnyModel, Picture, words as textOf } from "../picture";
import type { Failure } from "../requests";
import { tickLabel } from "../scale";
import { plain } from "../signs";
import { type BaseView, disabledReason, makeBaseView } from "../view";
import * as common from "../words/common";
import * as words from "../words/steering";

export interface SliderDraft {
  id: string;
  value: number;
}

interface Draft {
  /** A text, or a conversation. */
  prompt: string | ChatMessage[];
  sliders: SliderDraft[];
  mode: string;
  place: string;
  seed: number;
  temperature: number;
  frozen: boolean;
  target: string;
  propagation: string;
}

const EMPTY: Draft = {
  prompt: "",
  sliders: [],
  mode: "additive",
  place: "both",
  seed: 0,
  temperature: 1,
  frozen: false,
  target: "",
  propagation: "free",
};

/** State of one view: what is asked, and how it is looked at. */
export class SteeringState extends Picture<SteeringPayload> {
  readonly draft = signal<Draft>(EMPTY);
  readonly control = signal("direction");
  /** Features are searched in the default dictionary. */
  readonly site = signal("");
  /** All charts are read at the same strength. */
  readonly cursor = signal<number | null>(null);

  constructor(model: AnyModel) {
    super(model, STEERING);
    this.start(["control"]);
  }

  /** Something is being written or measured. */
  get working(): boolean {
    const phase = this.payload.value?.phase ?? "";
    return this.live.value && (this.requests.busy.value || phase === "writing" || phase === "measuring");
  }

  want(change: Partial<Draft>, soon = false): void {
    if (!this.live.value) return;
    this.draft.value = { ...this.draft.value, ...change };
    const { target, sliders, ...rest } = this.draft.value;
    // Requests replace each other, so each carries all that was asked. But words that nobody typed are Python's choice,
    // and so is what becomes of the sliders in another mode.
    this.requests.run(
      {
        ...rest,
        ...(change.target !== undefined && { target }),
        ...((change.mode === undefined || change.sliders) && { sliders }),
      },
      soon,
    );
  }

  setSlider(id: string, value: number, dragging: boolean): void {
    this.want({ sliders: this.draft.value.sliders.map((s) => (s.id === id ? { id, value } : s)) }, dragging);
  }

  addFeatures = (ids: readonly string[]): void => {
    const { sliders, mode } = this.draft.value;
    const fresh = ids.filter((id) => !sliders.some((slider) => slider.id === id));
    this.want({ sliders: [...sliders, ...fresh.map((id) => ({ id, value: mode === "scale" ? 1 : 0 }))] });
  };

  remove(id: string): void {
    this.want({ sliders: this.draft.value.sliders.filter((slider) => slider.id !== id) });
  }

  setControl = (control: string): void => {
    this.control.value = control;
    this.share("control", control);
  };

  stop = (): void => {
    if (this.requests.busy.value) this.requests.cancel();
    else this.tell({ type: "stop" });
  };

  /** Keep the run in view, or drop one. */
  async tell(message: Record<string, unknown>): Promise<void> {
    this.requests.failure.value = null;
    try {
      await this.requests.ask(message);
    } catch (failure) {
      this.requests.failure.value = failure as Failure;
    }
  }

  protected override settled(): void {
    this.#adopt();
  }

  protected override view(): void {
    super.view();
    this.control.value = textOf(this.model.get("control")) || (this.payload.value?.control ?? "direction");
    // What the user is doing is newer than what Python says.
    if (!this.requests.busy.value) this.#adopt();
  }

  #adopt(): void {
    const payload = this.payload.value;
    if (!payload) return;
    const { prompt, messages, mode, place, seed, temperature, frozen, sliders, target, propagation } = payload;
    this.draft.value = {
      prompt: messages.length ? messages : prompt,
      mode,
      place,
      seed,
      temperature,
      frozen,
      propagation,
      sliders: sliders.map(({ id, value }) => ({ id, value })),
      target: target.map((word) => word.trim()).join(", "),
    };
  }
}

export type SteeringView = BaseView<SteeringState> & { focusStrip: () => void };

const SHEETS = [css, ...CHARTS];

export const steering: Draw = (model, root, ended) => {
  const state = new SteeringState(model);
  const focusStrip = () => root.querySelector<HTMLElement>(".prompt")?.focus();
  return { state, element: <Steering view={{ ...makeBaseView(state, root, ended, SHEETS), focusStrip }} /> };
};

/** The texts alone: a panel of an explorer. */
export const steeringTexts = drawn((model) => new SteeringState(model), Texts, ...SHEETS);

function Texts({ view }: { view: BaseView<SteeringState> }) {
  const { state } = view;
  const payload = state.payload.value;
  return (
    <div class="w">
      <Edge view={view} />
      <Failed view={view} />
      {payload?.texts.length === 0 && !state.failure.value && <p class="em">{words.writingFirst}</p>}
      {payload && (
        <div class={state.drained.value ? "drained" : ""}>
          <Columns view={view} payload={payload} panel />
        </div>
      )}
    </div>
  );
}

function Steering({ view }: { view: SteeringView }) {
  const { state } = view;
  const payload = state.payload.value;
  const key: OwnKey = (event, typing) => {
    if (typing && event.key !== "Escape") {
      // Enter takes what was typed; to the notebook it would mean to edit its cell.
      if (event.key === "Enter") (event.composedPath()[0] as HTMLElement).blur();
      event.stopPropagation();
    } else if (event.key === "Escape" && !view.help.value && state.working) state.stop();
    else if (event.key === "/" && !typing) view.root.querySelector<HTMLElement>(".search input")?.focus();
    else return false;
    return !typing || event.key === "Escape";
  };
  return (
    <Frame view={view} keys={words.keys} onKey={key} heard={payload && !state.working && heard(payload)}>
      {payload && <Bar view={view} payload={payload} />}
      <span class="corner">
        <Menu view={view} label="⋯" name={common.menu} bare full />
      </span>
      <Failed view={view} />
      {payload && (
        <>
          <Steers view={view} payload={payload} />
          <div class={state.requests.stale.value ? "drained" : ""}>
            <Columns view={view} payload={payload} />
            <DoseCharts view={view} payload={payload} />
          </div>
          <KeptRuns view={view} payload={payload} />
        </>
      )}
      <Foot view={view} editable>
        {payload && (
          <>
            <span>{words.temperatureOf(tickLabel(payload.temperature))}</span>
            <span>{words.errorOf(plain(payload.context.error, 20))}</span>
            <span>{words.attentionOf(plain(payload.context.propagation, 20))}</span>
          </>
        )}
      </Foot>
    </Frame>
  );
}

/** What a screen reader hears when all is written. */
function heard({ texts, verdict, phase }: SteeringPayload): string {
  const steered = texts.find((text) => text.role === "steered");
  const told = steered?.tokens.text.slice(steered.n_prompt).join("") ?? "";
  const stopped = phase === "stopped" ? `${common.stopped} ` : "";
  return `${stopped}${told && `${words.steeredAloud(plain(told, 400))} `}${plain(verdict)}`;
}

function Bar({ view, payload }: { view: SteeringView; payload: SteeringPayload }) {
  const { state } = view;
  const off = disabledReason(state);
  const draft = state.draft.value;
  const number = (name: "seed" | "temperature", label: string, value: number, step: string, whole: boolean) => (
    <label class="i2 number">
      {label}
      <input
        type="number"
        min="0"
        step={step}
        value={value}
        onChange={(event) => {
          const typed = Number(event.currentTarget.value);
          if (Number.isFinite(typed) && typed >= 0) state.want({ [name]: whole ? Math.round(typed) : typed });
        }}
      />
    </label>
  );
  const step = (type: "undo" | "redo", sign: string, label: string, depth: number) => (
    <button
      type="button"
      class="btn bare"
      title={label}
      aria-label={label}
      disabled={off !== "" || depth === 0}
      onClick={() => state.requests.step(type)}
    >
      {sign}
    </button>
  );
  return (
    <fieldset class="bare" disabled={off !== ""} title={off}>
      <div class="bar0">
        {typeof draft.prompt === "string" ? (
          <input
            class="prompt"
            type="text"
            aria-label={common.prompt}
            spellcheck={false}
            autocomplete="off"
            value={draft.prompt}
            onInput={(event) => state.want({ prompt: event.currentTarget.value }, true)}
          />
        ) : (
          <Chat messages={draft.prompt} set={(prompt) => state.want({ prompt }, true)} />
        )}
        <Segments
          label={words.whatASliderDoes}
          choices={[
            { value: "additive", label: words.additive, title: words.addsToTheFeature },
            { value: "clamp", label: words.clamp, title: words.setsTheFeature },
            { value: "scale", label: words.scale, title: words.multipliesTheFeature },
          ]}
          value={draft.mode}
          set={(mode) => state.want({ mode })}
        />
        <Segments
          label={words.where}
          choices={[
            { value: "prompt", label: words.inPrompt },
            { value: "new", label: words.inNew },
            { value: "both", label: words.inBoth },
          ]}
          value={draft.place}
          set={(place) => state.want({ place })}
        />
        {number("seed", common.seed, draft.seed, "1", true)}
        {number("temperature", words.temperature, draft.temperature, "0.1", false)}
        {state.working ? (
          <button type="button" class="btn k" onClick={state.stop}>
            {words.stopWriting}
          </button>
        ) : (
          <button type="button" class="btn" onClick={() => state.want({ seed: draft.seed + 1 })}>
            {words.newSeed}
          </button>
        )}
        <span class="sub status">{standing(state, payload)}</span>
        <span class="steps">
          {step("undo", "↶", common.undo, state.undoDepth.value)}
          {step("redo", "↷", common.redo, state.redoDepth.value)}
        </span>
      </div>
    </fieldset>
  );
}

/** A conversation, each message by the role of who says it. */
function Chat({ messages, set }: { messages: ChatMessage[]; set: (messages: ChatMessage[]) => void }) {
  return (
    <ol class="chat" aria-label={words.conversation}>
      {messages.map(({ role, content }, i) => (
        <li key={i}>
          <span class="sub">{plain(role, 40)}</span>
          <input
            class="prompt"
            type="text"
            aria-label={words.whatIsSaid(plain(role, 40), i + 1)}
            spellcheck={false}
            autocomplete="off"
            value={content}
            onInput={(event) =>
              set(messages.map((one, at) => (at === i ? { role, content: event.currentTarget.value } : one)))
            }
          />
        </li>
      ))}
      <li>
        <span class="sub">{words.assistant}</span> <span class="sub">{words.writesBelow}</span>
      </li>
    </ol>
  );
}

/** Whether the picture is true, in one line. */
function standing(state: SteeringState, { phase, doses, texts }: SteeringPayload): string {
  if (state.requests.silent.value) return disabledReason(state);
  if (state.requests.stale.value) return words.stale;
  if (phase === "writing") {
    const n = texts.reduce((most, text) => Math.max(most, text.tokens.text.length - text.n_prompt), 0);
    return words.writing(n);
  }
  if (phase === "measuring") return doses ? words.measuringTexts(doses.n_texts, doses.n_planned) : words.measuring;
  return phase === "stopped" ? words.wasStopped : "";
}
