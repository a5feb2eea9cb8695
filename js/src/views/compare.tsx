// The Compare: two heatmaps side by side, one selection, and what differs at the selected pair of tokens.
import { computed, effect, signal, untracked } from "@preact/signals";
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import css from "../css/compare.css";
import { STRIP } from "../css/strip";
import { COMPARE } from "../kinds/compare";
import type { HeatmapState } from "../model";
import type { Draw, Host } from "../mount";
import { PageModel } from "../page";
import { Differences } from "../parts/differences";
import { Conditions, Foot } from "../parts/foot";
import { Edge, Failed, Working } from "../parts/status";
import type { ComparePayload } from "../payloads";
import { type AnyModel, type Followed, Picture, words } from "../picture";
import { plain } from "../signs";
import { type BaseView, makeBaseView } from "../view";
import * as said from "../words/compare";
import { heatmapWith } from "./heatmap";

const half = heatmapWith(undefined, true);
const LETTERS = ["A", "B"] as const;

/** A heatmap inside, drawn into an element of its own. */
export interface Half {
  state: HeatmapState;
  el: HTMLElement;
}

/** State of one comparison: its two heatmaps follow each other here, so that they do so in a page too. */
export class CompareState extends Picture<ComparePayload> {
  readonly halves = signal<readonly Half[]>([]);
  readonly pair = signal(0);
  override readonly followed: readonly Followed[] = [0, 1].map((side) => {
    const own = () => this.halves.value[side]?.state.followed;
    return {
      token: {
        at: computed(() => own()?.token?.at.value ?? -1),
        go: (token) => own()?.token?.go(token),
        prompt: () => own()?.token?.prompt() ?? "",
      },
      feature: { at: computed(() => own()?.feature?.at.value ?? ""), go: (id) => own()?.feature?.go(id) },
    };
  });
  readonly #stops: (() => void)[] = [];
  readonly #ended = new AbortController();

  constructor(
    model: AnyModel,
    private readonly host?: Host,
  ) {
    super(model, COMPARE);
    this.start([]);
  }

  override close(): void {
    this.#ended.abort();
    for (const stop of this.#stops.splice(0)) stop();
    for (const { state, el } of this.halves.value) {
      state.close();
      render(null, el);
    }
    super.close();
  }

  protected override shown(payload: ComparePayload): void {
    this.pair.value = payload.pair;
    if (!this.#asked) void this.#open(payload);
    this.#asked = true;
  }
  #asked = false;

  /** The two models: widgets of their own, or what the page carries. */
  async #open({ left, right }: ComparePayload): Promise<void> {
    try {
      if (left && right) return this.#draw([this.#carried(left), this.#carried(right)]);
      const models: AnyModel[] = [];
      for (const name of ["_left", "_right"]) {
        const model = await this.host?.getModel(words(this.model.get(name)));
        if (!model) throw new Error();
        models.push(model);
      }
      if (!this.#ended.signal.aborted) this.#draw(models);
    } catch {
      this.requests.failure.value = {
        what: said.heatmapsMissing,
        todo: said.runAgainOrShowSides,
      };
    }
  }

  #draw(models: readonly AnyModel[]): void {
    this.halves.value = models.map((model, side) => {
      const el = document.createElement("div");
      const drawn = half(model, el, this.#ended.signal);
      const state = drawn.state as unknown as HeatmapState;
      state.place = said.ofSide(LETTERS[side] as string);
      render(drawn.element, el);
      return { state, el };
    });
    for (const side of [0, 1]) this.#link(side);
  }

  #carried(data: Uint8Array): AnyModel {
    const theme = this.model.get("theme");
    return new PageModel([
      ["_view", "heatmap"],
      ["_payload", data],
      ["_revision", 1],
      ["live", false],
      ["theme", theme],
    ]);
  }

  /** What is selected, looked at and marked on one side, on the other. */
  #link(side: number): void {
    const [one, other] = [this.halves.value[side], this.halves.value[1 - side]];
    if (!one || !other) return;
    let known = one.state.fill.peek();
    // With a kernel, Python gives the other side a feature that it lacks.
    this.#stops.push(
      effect(() => {
        const [own, others] = this.#tokens(side);
        const token = one.state.selection.value;
        untracked(() => {
          const at = own.indexOf(token);
          if (at < 0) return;
          this.pair.value = at;
          other.state.select(others[at] as number);
        });
      }),
      effect(() => {
        const id = one.state.fill.value;
        if (id === known) return;
        known = id;
        const { match, shared } = this.payload.peek() ?? { match: "", shared: [] as string[] };
        // Two dictionaries are looked at each by its own features.
        if (match === "same" && shared.includes(id.slice(0, Math.max(0, id.lastIndexOf("/")))))
          untracked(() => other.state.lookAt(id));
      }),
      effect(() => {
        const same = this.payload.value?.same ?? [];
        const [own] = this.#tokens(side);
        const n = one.state.payload.value?.tokens.text.length ?? 0;
        const alike = new Set([...own].filter((_, i) => same[i]));
        one.state.differing.value = new Set(Array.from({ length: n }, (_, i) => i).filter((i) => !alike.has(i)));
      }),
    );
  }

  /** Tokens of one side that stand in pairs, and those they stand against. */
  #tokens(side: number): [Uint32Array, Uint32Array] {
    const payload = this.payload.value;
    const none = new Uint32Array(0);
    const [left, right] = [payload?.left_token ?? none, payload?.right_token ?? none];
    return side ? [right, left] : [left, right];
  }
}

export type CompareView = BaseView<CompareState>;

export const compare: Draw = (model, root, ended, host) => {
  const state = new CompareState(model, host);
  return { state, element: <Compare view={makeBaseView(state, root, ended, STRIP)} /> };
};

function Compare({ view }: { view: CompareView }) {
  const { state } = view;
  const payload = state.payload.value;
  return (
    <div class="w compare" style={{ "min-height": payload ? undefined : `${state.height}px` }}>
      <style>{css}</style>
      <Edge view={view} />
      <div class="sides">
        {LETTERS.map((letter, side) => (
          <section key={letter} aria-label={said.side(letter)}>
            <h2>
              {letter} <span class="i2">{payload && plain(side ? payload.name_b : payload.name_a, 200)}</span>
            </h2>
            <Side half={state.halves.value[side]} />
          </section>
        ))}
      </div>
      <Failed view={view} />
      {payload && <Differences view={view} payload={payload} />}
      <Foot view={view}>
        {payload && <Conditions context={payload.context} error={payload.context.error} />}
        <Working view={view} stale={said.staleComparison} />
      </Foot>
      <div class="hear" role="status" aria-live="polite">
        {payload && said.pairAt(state.pair.value + 1, payload.left_token.length)}
      </div>
    </div>
  );
}

/** Holds the element of a heatmap. */
function Side({ half }: { half: Half | undefined }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (half) box.current?.replaceChildren(half.el);
  }, [half]);
  return <div class="side" ref={box} />;
}
