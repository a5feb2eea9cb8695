// The FeatureDashboard: what one feature means, where it fires, what it writes, and a text of one's own.
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { CHARTS } from "../css/charts";
import css from "../css/dashboard.css";
import mirror from "../css/mirror.css";
import { probability } from "../format";
import { FEATURE_DASHBOARD } from "../kinds/dashboard";
import type { Draw } from "../mount";
import { Aside } from "../parts/aside";
import { Examples, GROUPS } from "../parts/examples";
import { Foot } from "../parts/foot";
import { drawn, Frame } from "../parts/frame";
import { Key } from "../parts/key";
import { LabelHead } from "../parts/labelhead";
import { LiveText } from "../parts/livetext";
import { Menu } from "../parts/menu";
import type { Effect } from "../parts/passages";
import { NextToken, type Predicting } from "../parts/predictions";
import { Judge, type Quiz, scored } from "../parts/quiz";
import { Edge, Failed } from "../parts/status";
import { Steps } from "../parts/steps";
import type { FeatureDashboardPayload } from "../payloads";
import { type AnyModel, type Followed, Picture, words } from "../picture";
import { plain } from "../signs";
import { type BaseView, disabledReason, makeBaseView } from "../view";
import * as common from "../words/common";
import * as said from "../words/dashboard";

/** State of one dashboard: the feature in view, and what is done in its box. */
export class DashboardState extends Picture<FeatureDashboardPayload> implements Omit<Predicting, "payload"> {
  readonly text = signal("");
  readonly scale = signal(1);
  readonly steer = signal(0);
  readonly kind = signal("interval");
  readonly position = signal(-1);
  /** The text of one's own as the heatmap it is, for the parts that draw those. */
  readonly box = computed(() => {
    const live = this.payload.value?.live ?? null;
    const slot = this.slot.value;
    return live && slot >= 0 ? { ...live, features: live.features.map((own) => ({ ...own, slot })) } : live;
  });
  /** The letter that an explorer gives the feature, -1 for its own. */
  readonly slot = signal(-1);
  /** The token whose prediction is in view: that of the caret, else the last. */
  readonly selection = computed(() => {
    const last = (this.box.value?.tokens.text.length ?? 0) - 1;
    const at = this.position.value;
    return at >= 0 && at <= last ? at : Math.max(0, last);
  });
  readonly predicting: Predicting = {
    payload: this.box,
    selection: this.selection,
    live: this.live,
    requests: this.requests,
  };

  /** A page has one dashboard of each feature: what it is asked to open, other views of the page show. */
  readonly looked = signal("");

  override readonly followed: Followed = {
    token: { at: this.selection, go: (token) => this.select(token), prompt: () => this.box.value?.prompt ?? "" },
    feature: { at: computed(() => this.looked.value || (this.payload.value?.id ?? "")), go: (id) => this.open(id) },
  };

  constructor(model: AnyModel) {
    super(model, FEATURE_DASHBOARD);
    this.start(["shown", "position", "text", "scale", "steer"]);
  }

  /** Why the box is off, or "" when it is on. */
  get off(): string {
    return disabledReason(this) || (this.payload.value?.live_note ?? "");
  }

  type(text: string): void {
    this.text.value = text;
    this.#want(true);
  }

  /** What is done to the feature: a factor, or so much added at every token. */
  change(scale: number, steer: number, dragging: boolean): void {
    this.scale.value = scale;
    this.steer.value = steer;
    this.#want(dragging);
  }

  /** Another feature, with the same text. */
  open = (feature: string): void => {
    this.looked.value = feature;
    if (!this.live.value || feature === this.payload.value?.id) return;
    this.requests.run({ feature, text: this.text.value, scale: 1, steer: 0 });
  };

  select(position: number): void {
    if (this.position.value === position) return;
    this.position.value = position;
    this.share("position", position);
  }

  show = (kind: string): void => {
    this.kind.value = kind;
    this.share("shown", kind);
  };

  /** What the tokens of an example owe to the feature; null where that cannot be said. */
  effect = async (context: number, position: number): Promise<Effect | null> => {
    try {
      const { result } = await this.requests.ask({ type: "effect", context, position });
      return result as Effect;
    } catch {
      return null;
    }
  };

  /** The open sheet, while a label is judged blind. */
  readonly quiz = signal<Quiz | null>(null);

  async judge(): Promise<void> {
    try {
      const { result } = await this.requests.ask({ type: "quiz" });
      this.quiz.value = result as Quiz;
    } catch (failure) {
      this.requests.failure.value = failure as { what: string; todo: string };
    }
  }

  /** What the answers are worth, in words. */
  async grade(answers: (boolean | null)[]): Promise<string> {
    try {
      const { result } = await this.requests.ask({ type: "answers", answers });
      return scored((result as { scores: { name: string; value: number; n: number }[] }).scores);
    } catch (failure) {
      const { what, todo } = failure as { what: string; todo: string };
      return `${what} ${todo}`;
    }
  }

  async rename(text: string): Promise<void> {
    try {
      await this.requests.ask({ type: "label", feature: this.payload.value?.id ?? "", text });
    } catch (failure) {
      this.requests.failure.value = failure as { what: string; todo: string };
    }
  }

  #want(soon: boolean): void {
    if (this.off) return;
    this.requests.run({ text: this.text.value, scale: this.scale.value, steer: this.steer.value }, soon);
  }

  protected override settled(failed: boolean): void {
    // A text that was refused stays in the box, to be shortened.
    if (!failed) this.#adopt();
    else this.#adoptEdit();
  }

  protected override view(): void {
    super.view();
    const shown = words(this.model.get("shown")) || (this.payload.value?.shown ?? "");
    this.kind.value = GROUPS.includes(shown) ? shown : "interval";
    const position = this.model.get("position");
    this.position.value = Number.isSafeInteger(position) ? (position as number) : (this.payload.value?.position ?? -1);
    // What is being typed is newer than what Python says.
    if (!this.requests.busy.value) this.#adopt();
  }

  #adoptEdit(): void {
    const scale = this.model.get("scale");
    const steer = this.model.get("steer");
    this.scale.value = typeof scale === "number" ? scale : (this.payload.value?.live?.features[0]?.scale ?? 1);
    this.steer.value = typeof steer === "number" ? steer : 0;
  }

  #adopt(): void {
    const text = this.model.get("text");
    this.text.value = typeof text === "string" ? text : (this.payload.value?.live?.prompt ?? "");
    this.#adoptEdit();
  }
}

export type DashboardView = BaseView<DashboardState>;

const SHEETS = [mirror, css, ...CHARTS];

export const featureDashboard = drawn((model) => new DashboardState(model), FeatureDashboard, ...SHEETS);

const NO_LETTER = 8;

/** How a dashboard is a panel of an explorer: it shows its head and few examples until it is opened. */
export interface DashboardPart {
  opened: ReadonlySignal<boolean>;
  letters: ReadonlySignal<ReadonlyMap<string, number>>;
  open: (whole: boolean) => void;
}

export const dashboardPart =
  (part: DashboardPart): Draw =>
  (model, root, ended) => {
    const state = new DashboardState(model);
    return { state, element: <Panel view={makeBaseView(state, root, ended, SHEETS)} part={part} /> };
  };

function Panel({ view, part }: { view: DashboardView; part: DashboardPart }) {
  const { state } = view;
  const payload = state.payload.value;
  const whole = part.opened.value;
  const letter = payload ? (part.letters.value.get(payload.id) ?? -1) : -1;
  useEffect(() => {
    // Without a letter it is in ink.
    state.slot.value = letter < 0 ? NO_LETTER : letter;
  }, [letter]);
  return (
    <div class={whole ? "inpanel whole" : "inpanel"}>
      <div>
        {whole || !payload ? <FeatureDashboard view={view} /> : <Few view={view} payload={payload} slot={letter} />}
      </div>
      <button type="button" class="btn" hidden={!payload} aria-expanded={whole} onClick={() => part.open(!whole)}>
        {whole ? common.closeDashboard : said.openDashboard}
      </button>
    </div>
  );
}

/** The head of a dashboard, and the strongest examples. */
function Few({ view, payload, slot }: { view: DashboardView; payload: FeatureDashboardPayload; slot: number }) {
  const meters = payload.meters.map(({ name, score }) => `${plain(name, 30)} ${probability(score.value)}`);
  return (
    <div class="w">
      <Edge view={view} />
      <div class="dbar">
        {slot >= 0 && <Key feature={{ slot }} />}
        <h2>{payload.label ? plain(payload.label, 300) : <span class="q">{common.noLabelYet}</span>}</h2>
        <span class="id clip">{plain(payload.id, 80)}</span>
        <span class="sp" />
        <span class="sub">{meters.join(" · ")}</span>
      </div>
      <Failed view={view} />
      <div class={view.state.drained.value ? "drained" : ""}>
        <Examples view={view} payload={{ ...payload, slot: slot < 0 ? NO_LETTER : slot }} few={5} />
      </div>
    </div>
  );
}

function FeatureDashboard({ view }: { view: DashboardView }) {
  const { state } = view;
  const slot = state.slot.value;
  const shown = state.payload.value;
  const payload = shown && slot >= 0 ? { ...shown, slot } : shown;
  return (
    <Frame
      view={view}
      keys={said.keys}
      heard={payload && !state.requests.busy.value && said.feature(plain(payload.id, 60), plain(payload.label, 80))}
    >
      {payload && (
        <>
          <LabelHead key={payload.id} view={view} payload={payload}>
            <span class="steps">
              <Steps state={state} />
              <Menu view={view} label="⋯" name={common.menu} bare full />
            </span>
          </LabelHead>
          <Failed view={view} />
          {state.quiz.value && <Judge view={view} quiz={state.quiz.value} />}
          <div hidden={state.quiz.value !== null} class={`dashboard${state.requests.stale.value ? " drained" : ""}`}>
            <div>
              <LiveText view={view} payload={payload} />
              {payload.live && (
                <div class="next">
                  <NextToken view={{ state: state.predicting }} few={4} />
                </div>
              )}
              <Examples view={view} payload={payload} />
            </div>
            <Aside view={view} payload={payload} />
          </div>
        </>
      )}
      {!payload && <Failed view={view} />}
      <Foot view={view}>{payload?.source && <span>{plain(said.atlasOf(payload.source), 120)}</span>}</Foot>
    </Frame>
  );
}
