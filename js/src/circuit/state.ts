// State of one circuit graph: what is in view, what is marked, what is asked of Python.
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { CIRCUIT } from "../kinds/circuit";
import type { Host } from "../mount";
import { type AnyModel, type Followed, Picture, words } from "../picture";
import { plain } from "../signs";
import * as said from "../words/circuit";
import * as common from "../words/common";
import { Steps } from "./history";
import {
  type CircuitPayload,
  FEATURE,
  featureOf,
  LOGIT,
  type Marks,
  marksOf,
  NO_MARKS,
  sideOf,
  type Unit,
  unitsOf,
} from "./kinds";
import { Grid, Links, type Places, placesOf } from "./layout";
import { shownOf } from "./prune";

export interface Edit {
  kind: string;
  feature?: string;
  /** An error term, or all that a token embeds. */
  target?: unknown;
  value: number | null;
  positions: number[] | null;
  error: string;
}

const share = (value: unknown, otherwise: number): number =>
  typeof value === "number" && value > 0 && value <= 1 ? value : otherwise;
/** What an edit calls a node. */
const aimOf = (id: string): string => (id.startsWith("token@") ? "embed" : featureOf(id));
const MOST_BYTES = 8_000_000;
const SIDES = ["now", "before", "both"];

/** How a graph is a panel of an explorer, which holds letters, token and history. */
export interface CircuitPart {
  letters: ReadonlySignal<ReadonlyMap<string, number>>;
  token: ReadonlySignal<number>;
  /** Whether there is room for the connections. */
  wide: ReadonlySignal<boolean>;
  took: (node: string) => void;
  open: (feature: string) => void;
}

export class CircuitState extends Picture<CircuitPayload> {
  readonly keepNodes = signal(0.8);
  readonly keepEdges = signal(0.98);
  readonly density = signal(1);
  readonly side = signal("now");
  readonly selection = signal("");
  readonly marks = signal<Marks>(NO_MARKS);
  readonly prompt = signal("");
  readonly edits = signal<Edit[]>([]);
  readonly steps = new Steps();
  /** Nodes chosen beside the selected one, to be grouped or ablated together. */
  readonly picked = signal<string[]>([]);
  readonly mode = signal("free");
  readonly feature = signal("");
  readonly opened = signal<AnyModel | null>(null);
  readonly width = signal(0);
  /** What the sheet is drawn larger by. */
  readonly large = signal(1);
  /** The graph file in view, "" for none; null without Python, who reads them. */
  readonly file = signal<string | null>(null);
  /** The text before it is being edited, to compare with. */
  base = "";

  readonly visible = computed(() => {
    const payload = this.payload.value;
    if (!payload) return null;
    const [nodes, edges] = [this.keepNodes.value, this.keepEdges.value];
    return shownOf(payload, this.marks.value.pinned, {
      nodes,
      edges,
      side: this.side.value,
      density: this.density.value,
    });
  });
  readonly units = computed<Unit[]>(() => (this.payload.value ? unitsOf(this.payload.value, this.marks.value) : []));
  readonly number = computed(() => new Map((this.payload.value?.nodes.id ?? []).map((id, n) => [id, n])));
  readonly places = computed<Places | null>(() =>
    this.payload.value && this.width.value > 0 ? placesOf(this.payload.value, this.width.value) : null,
  );
  readonly links = computed(() =>
    this.payload.value && this.visible.value ? new Links(this.payload.value, this.visible.value.edges) : null,
  );
  /** All edges of the payload, in view or not: what a node's inputs are made of. */
  readonly allLinks = computed(() =>
    this.payload.value
      ? new Links(
          this.payload.value,
          this.payload.value.source.map((_, e) => e),
        )
      : null,
  );
  readonly grid = computed(() =>
    this.places.value && this.visible.value ? new Grid(this.places.value, this.visible.value.nodes) : null,
  );
  readonly selected = computed(() => this.number.value.get(this.selection.value) ?? -1);
  /** Letter of each node that has one. */
  readonly slots = computed(() => {
    const given = this.part?.letters.value;
    if (!given)
      return new Map(this.units.value.flatMap(({ slot, nodes }) => (slot < 0 ? [] : nodes.map((n) => [n, slot]))));
    const lettered = (id: string, n: number): [number, number][] => {
      const slot = given.get(featureOf(id));
      return slot === undefined ? [] : [[n, slot]];
    };
    return new Map((this.payload.value?.nodes.id ?? []).flatMap(lettered));
  });
  /** Nodes that an edit is done to. */
  readonly edited = computed(() => {
    const payload = this.payload.value;
    // A page has no edits to change, only what they did.
    const own = this.live.value ? [] : (payload?.effect?.nodes ?? []);
    const done = new Set(own.flatMap((id) => this.number.value.get(id) ?? []));
    for (const edit of this.edits.value) {
      payload?.nodes.id.forEach((id, n) => {
        const here = edit.positions === null || edit.positions.includes(payload.nodes.position[n] as number);
        if (here && aimOf(id) === (edit.feature ?? edit.target)) done.add(n);
      });
    }
    return done;
  });

  /** The token whose column is marked, -1 for none: that of an explorer, of another view, or of the node in hand. */
  readonly here = signal(-1);
  readonly token = computed(() => this.part?.token.value ?? this.here.value);

  override readonly followed: Followed = {
    token: {
      at: this.here,
      go: (token) => {
        this.here.value = token;
      },
      prompt: () => this.payload.value?.prompt ?? "",
    },
    feature: { at: computed(() => featureOf(this.selection.value)), go: (id) => this.#lookAt(id) },
  };

  constructor(
    model: AnyModel,
    private readonly host?: Host,
    readonly part?: CircuitPart,
  ) {
    super(model, CIRCUIT);
    this.start([
      "keep_nodes",
      "keep_edges",
      "side",
      "selection",
      "marks",
      "prompt",
      "edits",
      "feature",
      "_dashboard",
      "_file_name",
    ]);
  }

  get canUndo(): boolean {
    return this.steps.depth.value[0] > 0 || (this.live.value && this.undoDepth.value > 0);
  }

  get canRedo(): boolean {
    return this.steps.depth.value[1] > 0 || (this.live.value && this.redoDepth.value > 0);
  }

  sideNow = () => sideOf(this.payload.value as CircuitPayload, this.side.value);

  // -- what the user does ---------------------------------------------------------------------------------------------

  select(id: string): void {
    if (this.selection.value === id) return;
    this.selection.value = id;
    this.share("selection", id);
    this.here.value = this.payload.value?.nodes.position[this.selected.value] ?? -1;
    this.part?.took(id);
  }

  /** A node of a feature of another view: at the token, else the one through which most passes. The token stays. */
  #lookAt(feature: string): void {
    const payload = this.payload.value;
    if (!payload || featureOf(this.selection.value) === feature) return;
    const weight = (id: string) => {
      const n = this.number.value.get(id) ?? -1;
      const at = payload.nodes.position[n] === this.here.value;
      return (this.sideNow().influence[n] ?? 0) + (at ? 1e9 : 0);
    };
    const own = payload.nodes.id.filter((id) => featureOf(id) === feature).sort((a, b) => weight(b) - weight(a));
    if (!own[0]) return;
    this.selection.value = own[0];
    this.share("selection", own[0]);
  }

  keep(name: "keep_nodes" | "keep_edges", value: number): void {
    (name === "keep_nodes" ? this.keepNodes : this.keepEdges).value = value;
    this.share(name, value);
  }

  setSide = (side: string): void => {
    this.side.value = side;
    this.share("side", side);
  };

  mark(change: Partial<Marks>): void {
    if (!this.part) this.steps.marked(this.marks.value);
    this.#put({ ...this.marks.value, ...change });
  }

  #put(marks: Marks): void {
    this.marks.value = marks;
    this.share("marks", marks);
  }

  pin(ids: readonly string[]): void {
    const { pinned, groups } = this.marks.value;
    const all = ids.every((id) => pinned.includes(id));
    if (!all) this.mark({ pinned: [...pinned, ...ids.filter((id) => !pinned.includes(id))] });
    else {
      const kept = groups.map((g) => ({ ...g, nodes: g.nodes.filter((id) => !ids.includes(id)) }));
      this.mark({ pinned: pinned.filter((id) => !ids.includes(id)), groups: kept.filter((g) => g.nodes.length > 0) });
    }
  }

  /** Put nodes into a group, a new one or one of this name; "" takes them out of theirs. */
  group(ids: readonly string[], label: string): void {
    const { pinned, groups } = this.marks.value;
    const left = groups.map((g) => ({ ...g, nodes: g.nodes.filter((id) => !ids.includes(id)) }));
    const old = left.find((g) => g.label === label);
    if (old) old.nodes.push(...ids);
    else if (label) left.push({ label, nodes: [...ids] });
    this.mark({
      pinned: [...pinned, ...ids.filter((id) => !pinned.includes(id))],
      groups: left.filter((g) => g.nodes.length > 0),
    });
    this.picked.value = [];
  }

  /** Name a feature, at every token; an error or token at this one. "" takes the name away. */
  rename(id: string, label: string): void {
    const n = this.number.value.get(id) ?? -1;
    const key = this.payload.value?.nodes.kind[n] === FEATURE ? featureOf(id) : id;
    const { [id]: _, [key]: __, ...names } = this.marks.value.names;
    this.mark({ names: label ? { ...names, [key]: label } : names });
  }

  move(key: string, place: [number, number]): void {
    this.mark({ places: { ...this.marks.value.places, [key]: place } });
  }

  undo(back: boolean): void {
    const step = this.steps.take(back, this.marks.value);
    const more = (back ? this.undoDepth : this.redoDepth).value;
    if (step?.kind === "marks") this.#put(step.marks);
    else if (this.live.value && more > 0) {
      if (step && more > 1) this.steps.keepPython(back);
      this.requests.step(back ? "undo" : "redo");
    } else if (step) this.undo(back);
  }

  #run(state: Record<string, unknown>, soon = false): void {
    if (!this.part) this.steps.asked();
    this.requests.run(state, soon);
  }

  type(text: string): void {
    this.prompt.value = text;
    this.#run({ prompt: text, base: this.base && this.base !== text ? this.base : "" }, true);
  }

  /** Ablate nodes, or bring them back when they all are ablated. */
  ablate(nodes: readonly number[]): void {
    const payload = this.payload.value;
    if (!payload) return;
    const { id, kind } = payload.nodes;
    const chosen = nodes.filter((n) => kind[n] !== LOGIT);
    const all = chosen.every((n) => this.edited.value.has(n));
    const own = chosen.map((n) => ({
      kind: "ablate",
      [kind[n] === FEATURE ? "feature" : "target"]: aimOf(id[n] as string),
      value: null,
      positions: [payload.nodes.position[n] as number],
      error: "keep",
    }));
    const same = (a: Edit, b: Edit) =>
      (a.feature ?? a.target) === (b.feature ?? b.target) && String(a.positions) === String(b.positions);
    const others = this.edits.value.filter((edit) => !own.some((one) => same(one, edit)));
    const edits = all ? others : [...others, ...own];
    this.edits.value = edits;
    this.#run({ edits });
  }

  clear(): void {
    this.edits.value = [];
    this.#run({ edits: [] });
  }

  measure(): void {
    const ids = this.units.value
      .flatMap(({ nodes }) => nodes)
      .filter((n) => this.payload.value?.nodes.kind[n] === FEATURE);
    this.requests.run({ measure: ids.map((n) => this.payload.value?.nodes.id[n]) });
  }

  async proposals(): Promise<{ label: string; nodes: string[]; stability: number }[]> {
    const nodes = this.marks.value.pinned;
    const { result } = await this.requests.ask({ type: "group", nodes });
    return ((result as { groups?: unknown } | null)?.groups ?? []) as {
      label: string;
      nodes: string[];
      stability: number;
    }[];
  }

  async open(feature: string): Promise<void> {
    if (this.part) this.part.open(feature);
    else await this.#ask({ type: "open", feature });
  }

  /** Show a graph file; none for the graph that was there before. */
  async read(file?: File): Promise<void> {
    if (file && file.size > MOST_BYTES)
      this.requests.failure.value = {
        what: said.fileTooLarge,
        todo: said.openInPython,
      };
    else await this.#ask({ type: "import", text: (await file?.text()) ?? "", name: plain(file?.name ?? "", 80) });
  }

  async #ask(message: { type: string; [key: string]: unknown }): Promise<void> {
    this.requests.failure.value = null;
    try {
      await this.requests.ask(message);
    } catch (failure) {
      this.requests.failure.value = failure as { what: string; todo: string };
    }
  }

  // -- what Python says -----------------------------------------------------------------------------------------------

  protected override settled(): void {
    this.#adopt();
  }

  protected override view(): void {
    super.view();
    const payload = this.payload.value;
    const { model } = this;
    this.keepNodes.value = share(model.get("keep_nodes"), payload?.keep_nodes ?? 0.8);
    this.keepEdges.value = share(model.get("keep_edges"), payload?.keep_edges ?? 0.98);
    const side = words(model.get("side")) || (payload?.side ?? "now");
    this.side.value = SIDES.includes(side) && payload?.before ? side : "now";
    const selection = model.get("selection");
    this.selection.value = typeof selection === "string" ? selection : (payload?.selection ?? "");
    const marks = model.get("marks") as Marks | undefined;
    this.marks.value = marks && typeof marks === "object" ? marks : payload ? marksOf(payload) : NO_MARKS;
    this.feature.value = words(model.get("feature"));
    const file = model.get("_file_name");
    this.file.value = typeof file === "string" ? file : null;
    this.#follow();
    if (!this.requests.busy.value) this.#adopt();
  }

  #adopt(): void {
    const prompt = this.model.get("prompt");
    this.prompt.value = typeof prompt === "string" ? prompt : (this.payload.value?.prompt ?? "");
    const edits = this.model.get("edits");
    this.edits.value = Array.isArray(edits) ? (edits as Edit[]) : [];
  }

  /** The model of the open feature's dashboard. */
  async #follow(): Promise<void> {
    const ref = words(this.model.get("_dashboard"));
    if (!ref) this.opened.value = null;
    else if (this.#ref !== ref || !this.opened.value) {
      this.#ref = ref;
      try {
        const found = await this.host?.getModel(ref);
        if (found && this.#ref === ref) this.opened.value = found;
      } catch {
        this.requests.failure.value = {
          what: common.dashboardMissing,
          todo: said.openAgain,
        };
      }
    }
  }
  #ref = "";
}
