// The Contrast: two sets of prompts, the features that tell them apart, and what is made of a selection of them.
import { signal } from "@preact/signals";
import { CHARTS } from "../css/charts";
import css from "../css/contrast.css";
import { plural, probability } from "../format";
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

const KEYS = [
  ["Tab Space", "go to a feature, choose it"],
  ["Ctrl Z", "undo, outside of text fields"],
  ["?", "this help"],
] as const;
const TOOLS = [
  ["edit", "Edit"],
  ["probe", "Probe"],
  ["bottleneck", "Concept bottleneck"],
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
const said = (lines: readonly string[]): string[] => lines.filter((line) => line.trim());

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
      { ...rest, ...(positive && { positive: said(positive) }), ...(negative && { negative: said(negative) }) },
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
      failed || said(typed).join("\n") === this.payload.value?.[name].join("\n");
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
      keys={KEYS}
      onKey={ownKey}
      heard={payload && !state.requests.busy.value && plain(payload.verdict, 400)}
    >
      <div class="bar0">
        <h2>What tells them apart</h2>
        <span class="sp" />
        <Working view={view} stale="showing the contrast before your last change">
          {payload && plural(payload.n_features, "active feature")}
        </Working>
        <span class="steps">
          <Steps state={state} />
          <Menu view={view} label="⋯" name="Menu" bare full />
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
            <span>{plain(payload.pool, 20)} over tokens</span>
            <span>seed {payload.context.seed}</span>
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
  const typed = state.live.value && prompts.every((prompt) => !prompt.includes("\n") && prompt.length < 2000);
  return (
    <section aria-label={`${name} prompts`}>
      <h3>
        {name} <span class="sub">· {plural(prompts.length, "prompt")}</span>
      </h3>
      {typed ? (
        <textarea
          aria-label={`${name} prompts, one a line`}
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
      {flagged ? <b>Look out, {plain(name, 40)}:</b> : `${plain(name, 40)}:`} {told}
    </li>
  );
  return (
    <ul class="confounds" aria-label="Confounds">
      {payload.confounds.map(({ name, positive, negative, auroc, low, high, flagged }) =>
        row(
          name,
          flagged,
          `alone ${flagged ? "it tells the sets apart" : "it does not tell the sets apart"}, AUROC ${probability(auroc)} [${probability(low)}, ${probability(high)}], mean ${probability(positive)} against ${probability(negative)}`,
        ),
      )}
      {row(
        "position",
        payload.n_moved > 0,
        `${plural(payload.n_moved, "feature")} of ${payload.n_features} fire${payload.n_moved === 1 ? "s" : ""} at other positions in the two sets`,
      )}
    </ul>
  );
}

function Tools({ view, payload }: { view: ContrastView; payload: ContrastPayload }) {
  const { state } = view;
  const { chosen, tool } = state.now;
  return (
    <section class="made" aria-label="Made of the selection">
      <fieldset class="bare" disabled={!state.live.value}>
        <span class="sub">
          {chosen.length ? `${plural(chosen.length, "feature")} chosen` : "of the best three, none is chosen"}:
        </span>{" "}
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
            choose none
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
          label="What the edit does"
          choices={[
            { value: "clamp", label: "clamp", title: "to the mean of the positive prompts" },
            { value: "ablate", label: "ablate", title: "to 0" },
          ]}
          value={state.now.kind}
          set={(kind) => state.want({ kind })}
        />
      </fieldset>
      <div class="card">{plain(payload.edit, 4000)}</div>
      <p class="sub">Linked views take it over (sw.link); an effect is theirs to measure, beside its control.</p>
    </>
  );
}

function Probed({ payload }: { payload: ContrastPayload }) {
  return (
    <table class="probes">
      <thead>
        <tr>
          <th scope="col">probe on held-out prompts</th>
          <th scope="col" class="num">
            inputs
          </th>
          <th scope="col" class="num">
            accuracy
          </th>
          <th scope="col" class="num">
            least to greatest draw
          </th>
        </tr>
      </thead>
      <tbody>
        {payload.probes.map(({ inputs, k, accuracy, low, high, control }) => (
          <tr key={inputs} class={control ? "q" : ""}>
            <th scope="row">
              {plain(inputs, 60)}
              {control && " (control)"}
            </th>
            <td class="num">{k}</td>
            <td class="num">{control ? probability(accuracy) : <b>{probability(accuracy)}</b>}</td>
            <td class="num">{low === high ? "" : `${probability(low)} to ${probability(high)}`}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
