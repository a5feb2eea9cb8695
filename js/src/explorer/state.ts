// State of an explorer: the models of its panels, and what they all look at.
import { computed, effect, signal } from "@preact/signals";
import { follow } from "../follow";
import { EXPLORER } from "../kinds/explorer";
import { HeatmapState, type Side } from "../model";
import type { Host } from "../mount";
import { PageModel } from "../page";
import type { ExplorerPayload, Payload } from "../payloads";
import { type AnyModel, type Followed, Picture, words } from "../picture";
import { runTheCellAgain } from "../words/common";
import * as said from "../words/explorer";

export const PRESETS = ["researcher", "lecture", "compare"] as const;
export const SIDES: readonly Side[] = ["before", "after", "both"];
export const [NARROWEST, WIDEST] = [0.12, 0.76];
const KINDS: Readonly<Record<string, string>> = {
  heatmap: "heatmap",
  circuit: "circuit",
  text: "steering",
  compare: "compare",
};

export class ExplorerState extends Picture<ExplorerPayload> {
  readonly feature = signal("");
  readonly opened = signal(false);
  readonly preset = signal("researcher");
  readonly side = signal<Side>("after");
  readonly widths = signal([0.22, 0.26, 0.57]);
  /** Models of the panels that are there. */
  readonly models = signal<Readonly<Record<string, AnyModel>>>({});
  readonly heat = signal<HeatmapState | null>(null);
  /** What the panels show. */
  readonly drawn = signal<Readonly<Record<string, Picture<Payload>>>>({});
  /** The panel of a lecture that is in view. */
  readonly page = signal(0);
  readonly letters = computed<ReadonlyMap<string, number>>(
    () => new Map((this.heat.value?.features.value ?? []).map(({ id, slot }) => [id, slot])),
  );
  readonly wide = computed(() => this.preset.value === "lecture");
  readonly token = computed(() => this.heat.value?.selection.value ?? -1);
  readonly note = (name: string) => this.payload.value?.panels.find(({ kind }) => kind === name)?.note ?? "";
  override readonly followed: Followed = {
    token: {
      at: this.token,
      go: (token) => this.heat.value?.select(token),
      prompt: () => this.payload.value?.prompt ?? "",
    },
    feature: { at: this.feature, go: (id) => this.focus(id) },
  };
  readonly #stops: (() => void)[] = [];
  #together: (() => void)[] = [];
  #refs: Record<string, string> = {};

  constructor(
    model: AnyModel,
    private readonly host?: Host,
  ) {
    super(model, EXPLORER);
    this.start(["feature", "opened", "preset", "side", "widths", "_panels"]);
    this.#stops.push(effect(() => this.#filled()));
    if (this.live.value) this.requests.ask({ type: "begin" }).catch(() => {});
  }

  override close(): void {
    for (const stop of [...this.#stops.splice(0), ...this.#together]) stop();
    this.heat.value?.close();
    super.close();
  }

  // -- what the user does ---------------------------------------------------------------------------------------------

  drew(name: string, picture: Picture<Payload>): void {
    this.drawn.value = { ...this.drawn.peek(), [name]: picture };
    const heat = this.heat.peek();
    if (name !== "compare" || !heat || this.live.peek()) return;
    // In a page the compared strips are pictures of their own.
    for (const stop of this.#together) stop();
    this.#together = [follow([heat, picture], "token"), follow([heat, picture], "feature")];
  }

  /** Look at a feature: the strip is filled by it where it has a letter. */
  focus = (id: string): void => {
    if (this.feature.value !== id) {
      this.feature.value = id;
      this.share("feature", id);
      this.#dashboard();
    }
    if (this.letters.value.has(id)) this.heat.value?.setFill(id);
  };

  set = (name: "opened" | "preset" | "side" | "widths", value: unknown): void => {
    (this[name] as { value: unknown }).value = value;
    this.share(name, value);
    if (name === "side") this.#sides();
  };

  /** A node was taken into the hand: its token is the token. */
  took = (node: string): void => {
    const at = node.lastIndexOf("@");
    const token = Number(node.slice(at + 1));
    if (at > 0 && Number.isSafeInteger(token)) this.heat.value?.select(token);
    const id = node.slice(0, at);
    if (this.letters.value.has(id)) this.focus(id);
  };

  /** Look at a feature, and at all that is known of it. */
  open = (id: string): void => {
    this.focus(id);
    this.set("opened", true);
  };

  /** Why a preset cannot be chosen, "" where it can. */
  why(preset: string): string {
    const there = this.live.value || this.payload.value?.panels.some(({ kind }) => kind === "compare");
    return preset === "compare" && !there ? said.compareNeedsModel : "";
  }

  turn(by: number, n: number): void {
    this.page.value = Math.max(0, Math.min(n - 1, this.page.value + by));
  }

  // -- what Python says -----------------------------------------------------------------------------------------------

  protected override view(): void {
    super.view();
    const payload = this.payload.value;
    const { model } = this;
    const feature = model.get("feature");
    this.feature.value = typeof feature === "string" ? feature : (payload?.feature ?? "");
    const opened = model.get("opened");
    this.opened.value = typeof opened === "boolean" ? opened : (payload?.opened ?? false);
    const wanted = words(model.get("preset")) || (payload?.preset ?? "");
    const preset = PRESETS.find((known) => known === wanted) ?? "researcher";
    this.preset.value = this.why(preset) ? "researcher" : preset;
    const side = words(model.get("side")) || (payload?.side ?? "");
    this.side.value = SIDES.find((known) => known === side) ?? "after";
    const widths = model.get("widths") ?? payload?.widths;
    if (Array.isArray(widths) && widths.length === 3) {
      this.widths.value = widths.map((w) => Math.max(NARROWEST, Math.min(WIDEST, Number(w) || NARROWEST)));
    }
    this.#sides();
    if (this.live.value) this.#find();
    else if (payload) this.#carried(payload);
  }

  #sides(): void {
    if (this.heat.value) this.heat.value.side.value = this.side.value;
  }

  /** The strip was filled by a feature: that is the one to look at. */
  #filled(): void {
    const fill = this.heat.value?.fill.value ?? "";
    const before = this.#fill;
    this.#fill = fill;
    const moved = before !== "" && fill.includes("/") && fill !== before && fill !== this.feature.peek();
    if (moved && this.heat.peek()?.filling.peek()) this.focus(fill);
  }
  #fill = "";

  #have(name: string, model: AnyModel): void {
    this.models.value = { ...this.models.value, [name]: model };
    if (name !== "heatmap") return;
    this.heat.peek()?.close();
    this.heat.value = new HeatmapState(model);
    this.#sides();
  }

  /** Widgets of the kernel. */
  async #find(): Promise<void> {
    const refs = this.model.get("_panels");
    if (typeof refs !== "object" || refs === null) return;
    for (const [name, ref] of Object.entries(refs as Record<string, unknown>)) {
      if (this.#refs[name] === ref || !this.host) continue;
      this.#refs[name] = words(ref);
      try {
        const model = await this.host.getModel(words(ref));
        if (this.#refs[name] === ref) this.#have(name, model);
      } catch {
        this.requests.failure.value = { what: said.panelMissing(name), todo: runTheCellAgain };
      }
    }
  }

  /** Panels that a page carries. */
  #carried(payload: ExplorerPayload): void {
    if (this.#refs.page) return;
    this.#refs.page = "carried";
    for (const { kind, data } of payload.panels) {
      if (data.length) this.#have(kind, this.#still(KINDS[kind] ?? "", data));
    }
    this.#dashboard();
  }

  /** The dashboard of the focused feature, if the page has it. */
  #dashboard(): void {
    if (this.live.value) return;
    const data = this.payload.value?.dashboards.find(({ id }) => id === this.feature.value)?.data;
    const { dashboard: _, ...others } = this.models.value;
    this.models.value = data ? { ...others, dashboard: this.#still("feature_dashboard", data) } : others;
  }

  #still = (view: string, data: Uint8Array): AnyModel =>
    new PageModel([
      ["_view", view],
      ["_payload", data],
      ["_revision", 1],
      ["live", false],
      ["theme", this.model.get("theme")],
    ]);
}
