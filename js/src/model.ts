// State of one heatmap: what the picture shows (signals), what the user wants, and the way to Python.
import { batch, computed, signal } from "@preact/signals";
import { HEATMAP } from "./kinds/heatmap";
import type { ChosenFeature, HeatmapPayload, SiteView } from "./payloads";
import { type AnyModel, type Followed, Picture, words } from "./picture";

/** An edit as JSON, the form Python reads (`saewidgets.interventions.from_json`). */
export interface Edit {
  kind: "ablate" | "scale" | "clamp" | "steer";
  feature: string;
  value: number | null;
  positions: number[] | null;
  error: "keep" | "drop";
  relative?: boolean;
  when_active?: boolean;
}

export interface Draft {
  prompt: string;
  features: string[];
  edits: Edit[];
  errorTerm: "kept" | "dropped";
}

/** What is shown of an edit. */
export type Side = "before" | "after" | "both";

export const LETTERS = 8;
const MAX_SLIDER = 2;
const list = <T>(value: unknown): T[] => (Array.isArray(value) ? (value as T[]) : []);

/** The edit that a slider at `value` stands for; at 1 there is none. */
export function sliderEdit(feature: string, value: number, errorTerm: Draft["errorTerm"]): Edit | null {
  const clamped = Math.min(MAX_SLIDER, Math.max(0, value));
  if (clamped === 1) return null;
  const error = errorTerm === "kept" ? "keep" : "drop";
  return clamped === 0
    ? { kind: "ablate", feature, value: null, positions: null, error }
    : { kind: "scale", feature, value: clamped, positions: null, error };
}

/** Where a slider stands under these edits; `null` when the edit is no multiple. */
export function sliderOf(edits: readonly Edit[], feature: string): number | null {
  const own = edits.filter((edit) => edit.feature === feature);
  if (own.length === 0) return 1;
  const edit = own[0];
  if (own.length > 1 || !edit || edit.positions !== null) return null;
  if (edit.kind === "ablate") return 0;
  const inside = edit.kind === "scale" && typeof edit.value === "number" && edit.value >= 0 && edit.value <= MAX_SLIDER;
  return inside ? edit.value : null;
}

/** Chosen features with one more: a new slot, a freed one only after the eight letters are used. */
export function withFeature(features: readonly string[], id: string): string[] {
  if (features.includes(id)) return [...features];
  const free = features.indexOf("");
  if (features.length < LETTERS || free < 0) return [...features, id];
  return features.map((name, slot) => (slot === free ? id : name));
}

/** State of a heatmap, for one view of one model. */
export class HeatmapState extends Picture<HeatmapPayload> {
  readonly draft = signal<Draft>({ prompt: "", features: [], edits: [], errorTerm: "kept" });
  /** Of the draft, for what need not be drawn again at each key. */
  readonly edits = computed(() => this.draft.value.edits);
  readonly errorTerm = computed(() => this.draft.value.errorTerm);
  readonly site = signal("");
  readonly fill = signal("");
  readonly selection = signal(0);
  readonly focused = signal("");
  /** Tokens that are underlined: they differ from what they are compared with. */
  readonly differing = signal<ReadonlySet<number>>(new Set());
  /** The token under the pointer here, and in a view that this one follows; -1 for none. */
  readonly pointing = signal(-1);
  readonly pointed = signal(-1);
  /** Which of several heatmaps in one view this is, for screen readers. */
  place = "";
  readonly compact: boolean;
  /** What the strip shows of an edit; an explorer chooses. */
  readonly side = signal<Side>("both");
  /** Lanes that a page adds by itself, from what the payload lists as strongest. */
  readonly local = signal<ChosenFeature[]>([]);

  override readonly followed: Followed = {
    token: { at: this.selection, go: (token) => this.select(token), prompt: () => this.payload.value?.prompt ?? "" },
    feature: { at: this.fill, go: (id) => this.lookAt(id) },
    pointed: {
      at: this.pointing,
      go: (token) => {
        this.pointed.value = token;
      },
      prompt: () => this.payload.value?.prompt ?? "",
    },
  };

  readonly features = computed<ChosenFeature[]>(() => [...(this.payload.value?.features ?? []), ...this.local.value]);
  readonly filling = computed(() => this.features.value.find((feature) => feature.id === this.fill.value) ?? null);
  readonly siteView = computed<SiteView | null>(
    () => this.payload.value?.sites.find((s) => s.key === this.site.value) ?? null,
  );
  readonly labels = computed(() => {
    const found = new Map((this.payload.value?.labels ?? []).map(({ id, label }) => [id, label]));
    for (const feature of this.payload.value?.features ?? []) if (feature.label) found.set(feature.id, feature.label);
    return found;
  });
  readonly edited = computed(() => (this.payload.value?.n_edits ?? 0) > 0);

  constructor(model: AnyModel) {
    super(model, HEATMAP);
    this.compact = model.get("lanes") === "compact";
    for (const name of ["prompt", "features", "edits", "error_term"]) this.listen(name, () => this.#adoptIdle());
    this.start(["site", "fill", "selection"]);
    this.#adopt();
  }

  // -- what the user does ---------------------------------------------------------------------------------------------

  /** Ask for a changed state; does nothing without a model. */
  want(change: Partial<Draft>, soon = false): void {
    if (!this.live.value) return;
    const draft = { ...this.draft.value, ...change };
    const { prompt, features, edits, errorTerm } = draft;
    const state = { prompt, features, edits, error_term: errorTerm };
    const view = { site: this.site.value, fill: this.fill.value, selection: this.selection.value };
    // Sent before it is drawn: Python works while we draw.
    batch(() => {
      this.draft.value = draft;
      this.requests.run({ ...state, ...view }, soon);
    });
  }

  setSlider(feature: string, value: number, dragging = false): void {
    const { edits, errorTerm } = this.draft.value;
    const edit = sliderEdit(feature, value, errorTerm);
    const at = edits.findIndex((other) => other.feature === feature);
    const rest = edits.filter((other) => other.feature !== feature);
    if (edit) rest.splice(at < 0 ? rest.length : at, 0, edit);
    this.want({ edits: rest }, dragging);
  }

  setErrorTerm(errorTerm: Draft["errorTerm"]): void {
    const error = errorTerm === "kept" ? "keep" : "drop";
    this.want({ errorTerm, edits: this.draft.value.edits.map((edit) => ({ ...edit, error })) });
  }

  addFeatures(ids: readonly string[]): void {
    if (!this.live.value) {
      for (const id of ids) this.#addLocally(id);
    } else this.want({ features: ids.reduce(withFeature, this.draft.value.features) });
    const last = ids.at(-1);
    if (last && !["error", "surprise"].includes(this.fill.value)) this.setFill(last);
  }

  /** Fill with a feature of another view; without a model one that is not drawn is added where the payload lists it. */
  lookAt(id: string): void {
    if (this.features.value.some((feature) => feature.id === id)) this.setFill(id);
    else if (!this.live.value) this.addFeatures([id]);
  }

  removeFeature(id: string): void {
    if (this.local.value.some((feature) => feature.id === id)) {
      this.local.value = this.local.value.filter((feature) => feature.id !== id);
    } else {
      const { features, edits } = this.draft.value;
      this.want({
        features: features.map((name) => (name === id ? "" : name)),
        edits: edits.filter((edit) => edit.feature !== id),
      });
    }
    if (this.fill.value === id) this.setFill(this.features.value.find((feature) => feature.id !== id)?.id ?? "error");
  }

  setSite = (site: string): void => this.#choose("site", site);
  setFill = (fill: string): void => this.#choose("fill", fill);

  select(position: number): void {
    const last = (this.payload.value?.tokens.text.length ?? 1) - 1;
    this.#choose("selection", Math.max(0, Math.min(last, position)));
  }

  // -- what Python says -----------------------------------------------------------------------------------------------

  /** `site`, `fill` and `selection` are ours: set here, synced so that Python can read them. */
  #choose(name: "site" | "fill" | "selection", value: string | number): void {
    if (this[name].value === value) return;
    (this[name] as { value: string | number }).value = value;
    this.#remember();
    // Before Python knows a feature that we just asked for, it would refuse it as a fill: the run tells it.
    if (name === "fill" && !this.#known(value as string)) return;
    this.share(name, value);
  }

  #known(fill: string): boolean {
    return (
      fill === "error" || fill === "surprise" || !!this.payload.value?.features.some((feature) => feature.id === fill)
    );
  }

  #remember(): void {
    if (this.filling.value) this.focused.value = this.fill.value;
    else if (!this.features.value.some((feature) => feature.id === this.focused.value)) {
      this.focused.value = this.features.value[0]?.id ?? "";
    }
  }

  protected override settled(failed: boolean): void {
    this.#adopt(failed);
  }

  protected override shown(payload: HeatmapPayload): void {
    const known = new Set(payload.features.map((feature) => feature.id));
    if (this.local.value.length) this.local.value = this.local.value.filter((feature) => !known.has(feature.id));
  }

  protected override view(): void {
    super.view();
    const payload = this.payload.value;
    if (!payload) return;
    this.site.value = words(this.model.get("site")) || payload.site;
    const fill = words(this.model.get("fill")) || payload.fill;
    // Our wish for a feature that is on its way stays; what the picture does not have goes.
    const wished = this.requests.busy.value && this.draft.value.features.includes(this.fill.value);
    if (!wished) this.fill.value = this.#known(fill) ? fill : payload.fill;
    const selection = this.model.get("selection");
    this.selection.value = Math.min(
      Number.isSafeInteger(selection) ? Math.max(0, selection as number) : payload.selection,
      Math.max(0, payload.tokens.text.length - 1),
    );
    this.#remember();
  }

  #adoptIdle(): void {
    if (!this.requests.busy.value) this.#adopt();
  }

  /** Nothing is asked any more: what Python says is what the user wants. */
  #adopt(failed = false): void {
    const prompt = words(this.model.get("prompt")) || (this.payload.value?.prompt ?? "");
    this.draft.value = {
      // A text that was refused stays in the editor, to be shortened.
      prompt: failed ? this.draft.value.prompt : prompt,
      features: list<string>(this.model.get("features")),
      edits: list<Edit>(this.model.get("edits")),
      errorTerm: this.model.get("error_term") === "dropped" ? "dropped" : "kept",
    };
    if (this.filling.value && !this.requests.busy.value && words(this.model.get("fill")) !== this.fill.value) {
      this.share("fill", this.fill.value);
    }
  }

  /** A lane without a model: known only where the feature is among the strongest listed. */
  #addLocally(id: string): void {
    const payload = this.payload.value;
    const slash = id.lastIndexOf("/");
    const site = payload?.sites.find((view) => view.key === id.slice(0, slash));
    if (!payload || !site || this.features.value.some((feature) => feature.id === id)) return;
    const index = Number(id.slice(slash + 1));
    const values = listed(site.strongest, index, payload.tokens.text.length);
    const after = site.strongest_after ? listed(site.strongest_after, index, values.length) : null;
    const maximum = values.reduce((a, b) => Math.max(a, b), 0);
    const used = this.features.value.map((feature) => feature.slot);
    const slot = Math.max(-1, ...used) + 1;
    const label = this.labels.value.get(id) ?? "";
    this.local.value = [...this.local.value, { id, label, slot, maximum, values, after, edit: "", scale: 1 }];
  }
}

function listed(sparse: SiteView["strongest"], index: number, length: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(length);
  for (let t = 0; t < length; t++) {
    for (let i = sparse.indptr[t] ?? 0; i < (sparse.indptr[t + 1] ?? 0); i++) {
      if (sparse.index[i] === index) values[t] = sparse.value[i] ?? 0;
    }
  }
  return values;
}
