// The TrainingMonitor: pause, resume, stop, sparsity; curves, density, features as they form.
import { signal, useComputed, useSignal } from "@preact/signals";
import { CHARTS } from "../css/charts";
import { share, significant } from "../format";
import { TRAINING } from "../kinds/training";
import { Foot } from "../parts/foot";
import { drawn, Frame } from "../parts/frame";
import { Histogram } from "../parts/histogram";
import { LineChart } from "../parts/linechart";
import { Menu } from "../parts/menu";
import { Passages } from "../parts/passages";
import { Segments } from "../parts/segments";
import { Failed } from "../parts/status";
import type { Curve, TrainingPayload } from "../payloads";
import { type AnyModel, Picture, words } from "../picture";
import type { Failure } from "../requests";
import { shareLabel, tickLabel } from "../scale";
import { plain } from "../signs";
import { type BaseView, disabledReason } from "../view";
import * as common from "../words/common";
import * as said from "../words/training";

type Action = "start" | "pause" | "resume" | "stop" | "sparsity";

/** A map, for a payload may ask for "__proto__". */
const TITLES: ReadonlyMap<string, string> = new Map([
  ["loss", said.loss],
  ["dead", said.deadFeatures],
]);

/** What another press of lower or raise makes of a sparsity. */
export function nudged(value: number, counted: boolean, up: boolean): number {
  if (!counted) return Number((up ? value * 1.25 : value * 0.8).toPrecision(3));
  const by = Math.max(1, Math.round(value / 8));
  return Math.max(1, Math.round(value) + (up ? by : -by));
}

/** Charts in order, each with its curves. */
export function chartsOf(curves: readonly Curve[]): Map<string, Curve[]> {
  const charts = new Map<string, Curve[]>();
  for (const curve of curves) charts.set(curve.chart, [...(charts.get(curve.chart) ?? []), curve]);
  return charts;
}

class TrainingState extends Picture<TrainingPayload> {
  readonly scale = signal("log");
  /** All curves are read at the same step. */
  readonly cursor = signal<number | null>(null);

  constructor(model: AnyModel) {
    super(model, TRAINING);
    this.start(["scale"]);
  }

  setScale = (scale: string): void => {
    this.scale.value = scale;
    this.share("scale", scale);
  };

  /** Steer the run; Python answers at once. */
  async act(action: Action, value?: number): Promise<void> {
    this.requests.failure.value = null;
    try {
      await this.requests.ask({ type: "train", action, ...(value === undefined ? {} : { value }) });
    } catch (failure) {
      this.requests.failure.value = failure as Failure;
    }
  }

  protected override view(): void {
    super.view();
    this.scale.value = words(this.model.get("scale")) || this.payload.value?.scale || "log";
  }
}

type View = BaseView<TrainingState>;

export const training = drawn((model) => new TrainingState(model), Training, ...CHARTS);

function Training({ view }: { view: View }) {
  const { state } = view;
  const payload = state.payload.value;
  const failed = state.failure.value !== null || payload?.phase === "failed";
  // Said when the phase changes and at each tenth of the run, not at each picture.
  const heard = useComputed(() => {
    const payload = state.payload.value;
    if (!payload) return "";
    const tenth = payload.n_steps > 0 ? Math.floor((10 * payload.step) / payload.n_steps) / 10 : 0;
    return said.heard(plain(payload.phase, 20), tenth);
  });
  return (
    <Frame view={view} keys={said.keys} heard={heard}>
      {payload && <Done payload={payload} />}
      {payload && <Bar view={view} payload={payload} />}
      <Failed view={view} />
      {payload && (
        <div class={failed ? "drained" : ""}>
          <Charts view={view} payload={payload} />
          <div class="grid halves">
            <section aria-label={common.density}>
              <Histogram
                title={common.density}
                note={said.densityNote(payload.density.outside)}
                counts={payload.density}
                from={{ edge: -1, word: said.dense }}
              />
            </section>
            <Features payload={payload} />
          </div>
        </div>
      )}
      {payload && (
        <Foot view={view} editable>
          <span>{said.learningRate(tickLabel(payload.learning_rate))}</span>
        </Foot>
      )}
    </Frame>
  );
}

/** The top edge: how much of the run is done. */
function Done({ payload }: { payload: TrainingPayload }) {
  const share = payload.n_steps > 0 ? Math.min(1, payload.step / payload.n_steps) : 0;
  return (
    <div class="edge pg" aria-hidden="true">
      <i style={{ width: `${share * 100}%` }} />
    </div>
  );
}

function Bar({ view, payload }: { view: View; payload: TrainingPayload }) {
  const { state } = view;
  const { phase } = payload;
  const off = disabledReason(state);
  const button = (label: string, action: Action, on: boolean) => (
    <button type="button" class="btn" disabled={!on || off !== ""} title={off} onClick={() => state.act(action)}>
      {label}
    </button>
  );
  return (
    <div class="bar0">
      <span class="buttons">
        {phase === "running" && button(said.pause, "pause", true)}
        {phase === "paused" && button(said.resume, "resume", true)}
        {phase === "ready" && button(said.start, "start", true)}
        {phase === "stopped" && button(said.goOn, "start", true)}
        {(phase === "finished" || phase === "failed") && button(said.pause, "pause", false)}
        {button(said.stop, "stop", phase === "running" || phase === "paused")}
      </span>
      <Sparsity view={view} payload={payload} off={off || (phase === "finished" ? said.runIsOver : "")} />
      <Segments
        label={said.lossAxis}
        choices={[
          { value: "log", label: common.log },
          { value: "linear", label: common.linear },
        ]}
        value={state.scale.value}
        set={state.setScale}
      />
      <span class="sp" />
      <span class="sub status">{live(off, state) || standing(payload)}</span>
      <span class="steps">
        <Menu view={view} label="⋯" name={common.menu} bare full />
      </span>
    </div>
  );
}

/** Why the buttons are off in a live notebook; a saved picture says it in the foot. */
const live = (off: string, state: TrainingState): string => (state.live.value ? off : "");

/** Where the run stands, in one line. */
export function standing({ phase, step, n_steps, tokens_per_second, seconds_left }: TrainingPayload): string {
  const parts = [said.stepOf(plain(phase, 20), step, n_steps)];
  if (phase === "running" && tokens_per_second > 0) parts.push(said.tokensPerSecond(tokens_per_second));
  if (phase === "running" && seconds_left !== null && seconds_left > 0) parts.push(said.left(seconds_left));
  return parts.join(" · ");
}

/** The coefficient, or k: lower, raise, or type. */
function Sparsity({ view, payload, off }: { view: View; payload: TrainingPayload; off: string }) {
  const { state } = view;
  const { sparsity, counted } = payload;
  const typed = useSignal<string | null>(null);
  const name = counted ? "k" : said.sparsity;
  const long = counted ? said.featuresAToken : said.coefficient;
  const set = (value: number) => state.act("sparsity", value);
  const commit = () => {
    const text = typed.value;
    typed.value = null;
    const value = Number((text ?? "").replace(",", "."));
    if (text !== null && text.trim() !== "" && Number.isFinite(value) && value !== sparsity) set(value);
  };
  const step = (up: boolean, sign: string, title: string) => (
    <button
      type="button"
      disabled={off !== ""}
      title={off || title}
      aria-label={title}
      onClick={() => set(nudged(sparsity, counted, up))}
    >
      {sign}
    </button>
  );
  return (
    <span class="sparsity">
      <span class="i2">{name}</span>
      <span class="seg" role="group" aria-label={long}>
        {step(false, "−", said.lower(counted))}
        <input
          type="text"
          inputMode="decimal"
          autocomplete="off"
          aria-label={long}
          disabled={off !== ""}
          value={typed.value ?? tickLabel(sparsity)}
          onInput={(event) => (typed.value = event.currentTarget.value)}
          onBlur={commit}
          onKeyDown={(event) => {
            event.stopPropagation();
            if (event.key === "Enter") commit();
            if (event.key === "Escape") typed.value = null;
          }}
        />
        {step(true, "+", said.raise(counted))}
      </span>
    </span>
  );
}

function Charts({ view, payload }: { view: View; payload: TrainingPayload }) {
  const { state } = view;
  const marks = payload.changed_at;
  return (
    <section class="charts" aria-label={said.curves}>
      {[...chartsOf(payload.curves)].map(([name, curves]) => {
        const ofShare = name === "dead";
        return (
          <LineChart
            key={name}
            title={TITLES.get(name) ?? plain(name, 24)}
            lines={curves}
            steps={payload.steps}
            end={Math.max(payload.n_steps, payload.step)}
            log={name === "loss" && state.scale.value === "log"}
            cursor={state.cursor}
            write={ofShare ? share : significant}
            tick={ofShare ? shareLabel : tickLabel}
            marks={marks}
          />
        );
      })}
      {marks.length > 0 && (
        <p class="sub changes">
          {said.changedTo(
            payload.counted,
            Array.from(payload.changed_to.slice(-6), (value) => tickLabel(value)).join(", "),
          )}
        </p>
      )}
    </section>
  );
}

function Features({ payload }: { payload: TrainingPayload }) {
  return (
    <section aria-label={said.asTheyForm}>
      <h3>
        {said.asTheyForm} <span class="sub">· {said.peaksInColumn}</span>
      </h3>
      {payload.features.length === 0 && <p class="sub">{said.noneFires}</p>}
      {payload.features.map((feature) => (
        <Passages key={feature.id} feature={feature} />
      ))}
    </section>
  );
}
