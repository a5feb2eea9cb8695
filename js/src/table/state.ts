// State of one table: what is asked, which rows there are, what is chosen, and the feature that is open.
import { computed, signal } from "@preact/signals";
import { FEATURE_TABLE } from "../kinds/table";
import type { Host } from "../mount";
import { PageModel } from "../page";
import type { FeatureTablePayload, Statistic, TableFilter } from "../payloads";
import { type AnyModel, type Followed, Picture, words } from "../picture";
import * as common from "../words/common";
import * as said from "../words/table";
import { arrange } from "./here";
import { type Row, RowStore } from "./rows";

export interface Asked {
  query: string;
  here: string;
  there: string;
  filters: TableFilter[];
  sort: string;
  descending: boolean;
}

const LETTERS = 8;
const list = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];

/** A word of the address in a filter's place takes the old one's; none takes it away. */
export const withFilter = (filters: readonly TableFilter[], filter: TableFilter): TableFilter[] => {
  const rest = filters.filter(({ name }) => name !== filter.name);
  return filter.low === null && filter.high === null ? rest : [...rest, filter];
};

/** Chosen ids with one more or less: a new letter, a freed one only after the eight are used. */
export function toggled(chosen: readonly string[], id: string): string[] {
  if (chosen.includes(id)) return chosen.map((name) => (name === id ? "" : name));
  const free = chosen.indexOf("");
  if (chosen.length < LETTERS || free < 0) return [...chosen, id];
  return chosen.map((name, slot) => (slot === free ? id : name));
}

export class TableState extends Picture<FeatureTablePayload> {
  readonly asked = signal<Asked>({ query: "", here: "", there: "", filters: [], sort: "", descending: true });
  readonly chosen = signal<string[]>([]);
  /** Id of the feature that is open, and the model its dashboard draws. */
  readonly feature = signal("");
  readonly opened = signal<AnyModel | null>(null);
  readonly opening = signal("");
  /** The row that was last touched, here or in a view that this one follows. */
  readonly hand = signal("");
  override readonly followed: Followed = {
    feature: { at: computed(() => this.feature.value || this.hand.value), go: (id) => this.#lookAt(id) },
  };
  readonly rows = new RowStore(this.requests);
  /** The first row in view, kept while a feature is open. */
  readonly top = signal(0);
  readonly #local = computed(() =>
    this.payload.value && !this.live.value ? arrange(this.payload.value, this.asked.value) : null,
  );
  readonly n = computed(() => this.#local.value?.length ?? this.payload.value?.n_fit ?? 0);
  #question = "";

  constructor(
    model: AnyModel,
    private readonly host?: Host,
  ) {
    super(model, FEATURE_TABLE);
    this.start(["chosen", "feature", "_dashboard"]);
    this.#adopt();
  }

  /** The row at a place of the table. */
  row(place: number): Row | null {
    const local = this.#local.value;
    const rows = this.payload.value?.rows;
    if (local && rows) return place < local.length ? { rows, at: local[place] as number } : null;
    return this.rows.get(place);
  }

  /** Make rows known that are in view. */
  need(first: number, end: number): void {
    if (this.live.value) this.rows.need(first, Math.min(end, this.n.value));
  }

  /** Where a feature stands, -1 for nowhere; without a kernel, as with one it is Python that knows. */
  placeOf(id: string): number {
    const rows = this.payload.value?.rows;
    return this.#local.value?.findIndex((at) => this.id(rows?.index[at] ?? -1) === id) ?? -1;
  }

  #lookAt(id: string): void {
    this.hand.value = id;
    if (this.feature.value && this.canOpen(id)) void this.open(id);
  }

  statistic(name: string): Statistic | undefined {
    return this.payload.value?.statistics.find((statistic) => statistic.name === name);
  }

  filter(name: string): TableFilter | undefined {
    return this.asked.value.filters.find((filter) => filter.name === name);
  }

  id = (index: number): string => `${this.payload.value?.site ?? ""}/${index}`;

  // -- what the user does ---------------------------------------------------------------------------------------------

  want(change: Partial<Asked>, soon = false): void {
    this.asked.value = { ...this.asked.value, ...change };
    if (!this.live.value) {
      this.top.value = 0;
      return;
    }
    const { filters, ...rest } = change;
    const bounds = filters?.map(({ name, low, high }) => [name, low, high]);
    this.requests.run(bounds ? { ...rest, filters: bounds } : rest, soon);
  }

  bound(name: string, low: number | null, high: number | null, soon = false): void {
    this.want({ filters: withFilter(this.asked.value.filters, { name, low, high }) }, soon);
  }

  /** Bounds of two statistics at once. */
  boundBoth(x: TableFilter, y: TableFilter, soon = false): void {
    this.want({ filters: withFilter(withFilter(this.asked.value.filters, x), y) }, soon);
  }

  sortBy(name: string): void {
    const { sort, descending } = this.asked.value;
    this.want(sort === name ? { sort, descending: !descending } : { sort: name, descending: true });
  }

  toggle(id: string): void {
    this.hand.value = id;
    this.choose(toggled(this.chosen.value, id));
  }

  choose(ids: string[]): void {
    this.chosen.value = ids;
    this.share("chosen", ids);
  }

  /** Open a feature; "" goes back. */
  async open(id: string): Promise<void> {
    if (!this.live.value) {
      this.feature.value = this.#inside(id) ? id : "";
      this.#follow();
      return;
    }
    this.opening.value = id;
    try {
      await this.requests.ask({ type: "open", feature: id });
    } catch (failure) {
      this.requests.failure.value = failure as { what: string; todo: string };
    }
    this.opening.value = "";
  }

  /** Whether a click on a row opens something. */
  canOpen = (id: string): boolean => this.live.value || !!this.#inside(id);

  #inside = (id: string) => this.payload.value?.dashboards.find((dashboard) => dashboard.id === id);

  // -- what Python says -----------------------------------------------------------------------------------------------

  protected override settled(): void {
    this.#adopt();
  }

  protected override shown(payload: FeatureTablePayload): void {
    this.rows.begin(payload.rows);
    const { site, query, here, there, filters, sort, descending } = payload;
    const question = JSON.stringify([site, query, here, there, filters, sort, descending]);
    if (this.#question && question !== this.#question) this.top.value = 0;
    this.#question = question;
  }

  protected override view(): void {
    super.view();
    const chosen = this.model.get("chosen");
    this.chosen.value = Array.isArray(chosen) ? list(chosen) : (this.payload.value?.selection ?? []);
    const feature = this.model.get("feature");
    this.feature.value = typeof feature === "string" ? feature : (this.payload.value?.feature ?? "");
    this.#follow();
    if (!this.requests.busy.value) this.#adopt();
  }

  /** The model of the open feature: a widget of its own, or what the page carries. */
  async #follow(): Promise<void> {
    const id = this.feature.value;
    const data = this.live.value ? undefined : this.#inside(id)?.data;
    const ref = words(this.model.get("_dashboard"));
    if (data) {
      const theme = this.model.get("theme");
      this.opened.value = new PageModel([
        ["_view", "feature_dashboard"],
        ["_payload", data],
        ["_revision", 1],
        ["live", false],
        ["theme", theme],
      ]);
    } else if (!this.live.value || !ref) this.opened.value = null;
    else if (this.#ref !== ref || !this.opened.value) {
      this.#ref = ref;
      try {
        if (!this.host) throw new Error(said.noHost);
        const model = await this.host.getModel(ref);
        if (this.#ref === ref && words(this.model.get("_dashboard")) === ref) this.opened.value = model;
      } catch {
        this.requests.failure.value = { what: common.dashboardMissing, todo: said.openAgain };
      }
    }
  }
  #ref = "";

  /** Nothing is asked any more: what Python shows is what the user wants. */
  #adopt(): void {
    const payload = this.payload.value;
    if (!payload) return;
    const { query, here, there, filters, sort, descending } = payload;
    this.asked.value = { query, here, there, filters, sort, descending };
  }
}
