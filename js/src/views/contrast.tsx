// The Contrast: two sets of prompts, the features that tell them apart, and what is made of a selection of them.
import { signal } from "@preact/signals";
import { CHARTS } from "../css/charts";
import css from "../css/contrast.css";
import { probability } from "../format";
import { CONTRAST } from "../kinds/contrast";
import { Apart } from "../parts/apart";
import { Bottleneck } from "../parts/bottleneck";
import { Foot } from "../parts/foot";
import { drawn, Frame, type OwnKey } from "../parts/frame";
import { Menu } from "../parts/menu";
import { Segments } from "../parts/segments";
import { Failed, Working } from "../parts/status";
import { Steps } from "../parts/steps";
import type { ContrastPayload } from "../payloads";
import { type AnyModel, type Followed, Picture, words } from "../picture";
import { plain } from "../signs";
import type { BaseView } from "../view";
import * as common from "../words/common";
import * as said from "../words/contrast";

const TOOLS = [
  ["edit", said.edit],
  ["probe", said.probe],
  ["bottleneck", said.conceptBottleneck],
] as const;

interface Draft {
  positive: string[];
  negative: string[];
  chosen: string[];
  tool: string;
  kind: string;
  example: number;
  corrected: Record<string, number>;
}

/** The lines that are prompts. */
const promptsIn = (lines: readonly string[]): string[] => lines.filter((line) => line.trim());

/** State of one contrast: the prompts as they are typed, the selection, what is made of it. */
export class ContrastState extends Picture<ContrastPayload> {
  readonly draft = signal<Partial<Draft>>({});
  readonly feature = signal("");

  override readonly followed: Followed = {
    feature: { at: this.feature, go: (id) => this.payload.value?.features.some((f) => f.id === id) && this.look(id) },
  };

  constructor(model: AnyModel) {
    super(model, CONTRAST);
    this.start(["feature"]);
  }

  /** What is wanted, else what is shown. */
  get now(): Draft {
    const shown = this.payload.value;
    const { positive = [], negative = [], chosen = [], tool = "", kind = "", example = -1, bottleneck } = shown ?? {};
    const one = bottleneck?.correction;
    const corrected: Record<string, number> = Object.create(null);
    one?.values.forEach((value, k) => {
      if (value >= 0) corrected[bottleneck?.concepts[k] ?? ""] = value;
    });
    return { positive, negative, chosen, tool, kind, example, corrected, ...this.draft.value };
  }

  /** Requests replace each other, so each carries all that was asked since the last answer. */
  want(change: Partial<Draft>, soon = false): void {
    if (!this.live.value) return;
    this.draft.value = { ...this.draft.value, ...change };
    const { positive, negative, ...rest } = this.draft.value;
    this.requests.run(
      {
        ...rest,
        ...(positive && { positive: promptsIn(positive) }),
        ...(negative && { negative: promptsIn(negative) }),
      },
      soon,
    );
  }

  toggle(id: string): void {
    const { chosen } = this.now;
    this.want({ chosen: chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id] });
  }

  look(id: string): void {
    this.feature.value = id;
    this.share("feature", id);
  }

  protected override settled(failed: boolean): void {
    // Prompts stay as they are typed, with their empty lines, also where they were refused.
    const { positive, negative } = this.draft.value;
    const same = (name: "positive" | "negative", typed: string[]) =>
      failed || promptsIn(typed).join("\n") === this.payload.value?.[name].join("\n");
    this.draft.value = {
      ...(positive && same("positive", positive) && { positive }),
      ...(negative && same("negative", negative) && { negative }),
    };
  }

  protected override view(): void {
    super.view();
    this.feature.value = words(this.model.get("feature")) || (this.payload.value?.feature ?? "");
    // What Python says is newer than what was typed before.
    if (!this.requests.busy.value) this.settled(this.failure.value !== null);
  }
}

export type ContrastView = BaseView<ContrastState>;

export const contrast = drawn((model) => new ContrastState(model), Contrast, css, ...CHARTS);

/** What is typed into the prompts is theirs alone. */
const ownKey: OwnKey = (event, typing) => {
  if (typing) event.stopPropagation();
  return false;
};

function Contrast({ view }: { view: ContrastView }) {
  const { state } = view;
  const payload = state.payload.value;
  return (
    <Frame
      view={view}
      keys={said.keys}
      onKey={ownKey}
      heard={payload && !state.requests.busy.value && plain(payload.verdict, 400)}
    >
      <div class="bar0">
        <h2>{said.whatTellsApart}</h2>
        <span class="sp" />
        <Working view={view} stale={said.stale}>
          {payload && said.activeFeatures(payload.n_features)}
        </Working>
        <span class="steps">
          <Steps state={state} />
          <Menu view={view} label="⋯" name={common.menu} bare full />
        </span>
      </div>
      {payload && (
        <div class="halves grid">
          <Prompts view={view} name="positive" />
          <Prompts view={view} name="negative" />
        </div>
      )}
      <Failed view={view} />
      {payload && (
        <div class={state.drained.value ? "drained" : ""}>
          <p class="said">{payload.n_beyond ? plain(payload.verdict, 400) : <b>{plain(payload.verdict, 400)}</b>}</p>
          <Confounds payload={payload} />
          <Apart view={view} payload={payload} />
          <Tools view={view} payload={payload} />
        </div>
      )}
      <Foot view={view} editable>
        {payload && (
          <>
            <span>{said.overTokens(plain(payload.pool, 20))}</span>
            <span>{common.seedOf(payload.context.seed)}</span>
          </>
        )}
      </Foot>
    </Frame>
  );
}

/** One set, a prompt a line; prompts of several lines are not typed here. */
function Prompts({ view, name }: { view: ContrastView; name: "positive" | "negative" }) {
  const { state } = view;
  const prompts = state.now[name];
  const set = said.sets[name];
  const typed = state.live.value && prompts.every((prompt) => !prompt.includes("\n") && prompt.length < 2000);
  return (
    <section aria-label={said.promptsOf(set)}>
      <h3>
        {set} <span class="sub">· {common.prompts(prompts.length)}</span>
      </h3>
      {typed ? (
        <textarea
          aria-label={said.promptsField(set)}
          rows={Math.min(8, Math.max(3, prompts.length))}
          spellcheck={false}
          value={prompts.join("\n")}
          onInput={(event) => state.want({ [name]: event.currentTarget.value.split("\n") }, true)}
        />
      ) : (
        <ul class="prompts" tabIndex={0}>
          {prompts.map((prompt, i) => (
            <li key={i}>{plain(prompt, 400)}</li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** What else tells the sets apart. */
function Confounds({ payload }: { payload: ContrastPayload }) {
  const row = (name: string, flagged: boolean, told: string) => (
    <li key={name} class={flagged ? "flag" : "sub"}>
      {flagged ? <b>{said.lookOut(plain(name, 40))}</b> : `${plain(name, 40)}:`} {told}
    </li>
  );
  return (
    <ul class="confounds" aria-label={said.confounds}>
      {payload.confounds.map(({ name, positive, negative, auroc, low, high, flagged }) =>
        row(
          name,
          flagged,
          said.alone(flagged, `${probability(auroc)} [${probability(low)}, ${probability(high)}]`, positive, negative),
        ),
      )}
      {row(said.position, payload.n_moved > 0, said.moved(payload.n_moved, payload.n_features))}
    </ul>
  );
}

function Tools({ view, payload }: { view: ContrastView; payload: ContrastPayload }) {
  const { state } = view;
  const { chosen, tool } = state.now;
  return (
    <section class="made" aria-label={said.madeOfSelection}>
      <fieldset class="bare" disabled={!state.live.value}>
        <span class="sub">{chosen.length ? said.chosen(chosen.length) : said.bestThree}</span>{" "}
        {TOOLS.map(([name, label]) => (
          <button
            key={name}
            type="button"
            class={tool === name ? "btn k" : "btn"}
            aria-pressed={tool === name}
            onClick={() => state.want({ tool: tool === name ? "" : name })}
          >
            {label}
          </button>
        ))}{" "}
        {chosen.length > 0 && (
          <button type="button" class="link" onClick={() => state.want({ chosen: [] })}>
            {said.chooseNone}
          </button>
        )}
      </fieldset>
      {payload.tool === "edit" && <Edited view={view} payload={payload} />}
      {payload.tool === "probe" && <Probed payload={payload} />}
      {payload.bottleneck && <Bottleneck view={view} payload={payload} made={payload.bottleneck} />}
    </section>
  );
}

function Edited({ view, payload }: { view: ContrastView; payload: ContrastPayload }) {
  const { state } = view;
  return (
    <>
      <fieldset class="bare" disabled={!state.live.value}>
        <Segments
          label={said.whatEditDoes}
          choices={[
            { value: "clamp", label: said.clamp, title: said.toMean },
            { value: "ablate", label: said.ablate, title: said.toZero },
          ]}
          value={state.now.kind}
          set={(kind) => state.want({ kind })}
        />
      </fieldset>
      <div class="card">{plain(payload.edit, 4000)}</div>
      <p class="sub">{said.linkedTakeOver}</p>
    </>
  );
}

function Probed({ payload }: { payload: ContrastPayload }) {
  return (
    <table class="probes">
      <thead>
        <tr>
          <th scope="col">{said.probeOnHeldOut}</th>
          <th scope="col" class="num">
            {said.inputs}
          </th>
          <th scope="col" class="num">
            {said.accuracyColumn}
          </th>
          <th scope="col" class="num">
            {said.draws}
          </th>
        </tr>
      </thead>
      <tbody>
        {payload.probes.map(({ inputs, k, accuracy, low, high, control }) => (
          <tr key={inputs} class={control ? "q" : ""}>
            <th scope="row">
              {plain(inputs, 60)}
              {control && ` ${said.ofControl}`}
            </th>
            <td class="num">{k}</td>
            <td class="num">{control ? probability(accuracy) : <b>{probability(accuracy)}</b>}</td>
            <td class="num">{low === high ? "" : said.fromTo(low, high)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
