// The model behind a page that thinks: answers what a view asks as Python would, see docs/protocol.md.
import { bytesOf } from "../decode";
import { encode } from "../encode";
import { HEATMAP } from "../kinds/heatmap";
import { PageModel } from "../page";
import type { Control } from "../payloads";
import { viewed } from "../viewed";
import * as words from "../words/engine";
import { bands, N_CONTROLS } from "./control";
import { featureOf } from "./edits";
import { History } from "./history";
import { type Answer, answer, payloadOf, type Request } from "./picture";
import type { Engine } from "./read";
import { Refusal } from "./refusal";
import type { Run } from "./run";
import { search } from "./search";

type Message = Record<string, unknown>;

/** What was asked, and the history that holds once it is shown. */
interface Step {
  request: Request;
  history: History;
}

/** Lets the browser draw and take keys. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
const VIEW = ["site", "fill", "selection"] as const;

export class LiveModel extends PageModel {
  readonly #load: () => Engine;
  #engine: Engine | null = null;
  #shown: Step | null = null;
  #wanted: Step | null = null;
  #base: Run | null = null;
  /** Counts wishes: what is computed for an older one is dropped. */
  #newest = 0;
  #runs: unknown = null;

  /** `load` reads the model when it is first needed. */
  constructor(values: Iterable<[string, unknown]>, load: () => Engine) {
    super(values);
    this.#load = load;
  }

  override send(content: unknown): void {
    // As from a kernel, the answer comes later.
    queueMicrotask(() => this.#receive(content as Message));
  }

  /** Reads the model and runs the text ahead of the first question; a fault shows when there is one. */
  warm(): void {
    try {
      this.#base ??= answer(this.engine, { ...this.#now().request, edits: [] }, null).base;
    } catch {
      // The next question says so.
    }
  }

  get engine(): Engine {
    this.#engine ??= this.#load();
    return this.#engine;
  }

  #receive({ type, id, state, query, site, positions, format }: Message): void {
    try {
      if (type === "run") this.#want(id, this.#changed(state as Message));
      else if (type === "undo" || type === "redo") this.#step(id, type === "undo" ? -1 : 1);
      else if (type === "positions")
        this.#want(id, { ...this.#now().request, ...this.#view(), positions: positions as number[] });
      else if (type === "search")
        this.#reply(id, { features: search(this.engine, String(query ?? ""), String(site ?? "")) });
      else if (type === "cancel") this.#cancel(id);
      else if (type === "save" && format === "sae") this.#reply(id, { format, name: "heatmap.sae" }, [this.#file()]);
      else throw new Refusal(words.noSuchFile(String(format ?? type)), words.copyTheCode);
    } catch (error) {
      this.#fail(id, error);
    }
  }

  /** The newest wish; at first what the page shows. */
  #now(): Step {
    if (!this.#wanted) {
      const { first } = this.engine;
      const request = { ...first, ...this.#view(), positions: [] };
      this.#wanted = { request, history: History.of({ features: first.features, edits: first.edits }) };
      this.#shown = this.#wanted;
    }
    return this.#wanted;
  }

  /** What the reader looks at. */
  #view(): Pick<Request, (typeof VIEW)[number]> {
    const selection = this.get("selection");
    return {
      site: String(this.get("site") ?? ""),
      fill: String(this.get("fill") ?? ""),
      selection: typeof selection === "number" ? selection : -1,
    };
  }

  /** What is shown, as the reader looks at it now. */
  #file(): Uint8Array {
    return viewed(bytesOf(this.get("_payload")), Object.fromEntries(VIEW.map((name) => [name, this.get(name)])));
  }

  /** The newest request with what `state` changes. */
  #changed(state: Message): Request {
    const { request } = this.#now();
    const next = { ...request, ...state, positions: [] } as Request;
    for (const id of next.features) if (id) featureOf(this.engine.dictionaries, id);
    return next;
  }

  #want(id: unknown, request: Request, history?: History): void {
    const { features, edits } = request;
    const step = { request, history: history ?? this.#now().history.record({ features, edits }, performance.now()) };
    if (this.#runs !== null && this.#runs !== id) this.emit("msg:custom", { type: "cancelled", id: this.#runs }, []);
    this.#wanted = step;
    this.#runs = id;
    this.#work(step, id, ++this.#newest).catch((error) => this.#drop(id, error));
  }

  #step(id: unknown, by: -1 | 1): void {
    const { request, history } = this.#now();
    const next = history.step(by);
    this.#want(id, { ...request, ...this.#view(), ...next.state }, next);
  }

  #cancel(id: unknown): void {
    if (id !== this.#runs) return;
    this.#newest++;
    this.#runs = null;
    this.#wanted = this.#shown;
    this.#adopt();
    this.emit("msg:custom", { type: "cancelled", id }, []);
  }

  async #work(step: Step, id: unknown, ticket: number): Promise<void> {
    const view = this.#view();
    await pause();
    if (ticket !== this.#newest) return;
    const started = performance.now();
    const made = answer(this.engine, step.request, this.#base);
    this.#base = made.base;
    const spent = performance.now() - started;
    this.#publish(step, made, null, view, spent);
    if (made.edited) {
      const control = await this.#control(made, id, ticket);
      if (!control) return;
      this.#publish(step, made, control, view, spent);
    }
    this.#runs = null;
    this.#reply(id, null);
  }

  /** The bands, with a pause between forwards; `null` when something newer is wanted. */
  async #control({ request, base, steps, positions, words: ids }: Answer, id: unknown, ticket: number) {
    const { model, dictionaries } = this.engine;
    const work = bands(model, dictionaries, base, steps, positions, ids, request.seed);
    for (;;) {
      await pause();
      if (ticket !== this.#newest) return null;
      const { done, value } = work.next();
      if (done) return value as Control;
      this.emit("msg:custom", { type: "progress", id, done: value, total: 2 * N_CONTROLS, note: words.control }, []);
    }
  }

  #publish(step: Step, made: Answer, control: Control | null, view: object, spent: number): void {
    // What the reader changed in the view since she asked is newer than the request.
    const before = new Map(Object.entries(view));
    const moved = Object.entries(this.#view()).filter(([name, value]) => before.get(name) !== value);
    const request = { ...step.request, ...Object.fromEntries(moved) };
    const shown = { ...made, request };
    const payload = payloadOf(this.engine, shown, control, spent);
    this.#shown = step;
    this.set("error", null);
    this.set("_payload", encode(payload, HEATMAP));
    for (const name of VIEW) this.set(name, payload[name]);
    this.#adopt();
    this.set("_revision", Number(this.get("_revision")) + 1);
  }

  /** The traits that go with what is shown. */
  #adopt(): void {
    if (!this.#shown) return;
    const { request, history } = this.#shown;
    this.set("undo_depth", history.undoDepth);
    this.set("redo_depth", history.redoDepth);
    for (const name of ["prompt", "features", "edits", "error_term"] as const) this.set(name, request[name]);
  }

  /** A run failed: the picture and what belongs to it stay. */
  #drop(id: unknown, error: unknown): void {
    if (id !== this.#runs) return;
    this.#runs = null;
    this.#wanted = this.#shown;
    this.#adopt();
    this.set("error", describe(error));
    this.#fail(id, error);
  }

  #reply(id: unknown, result: unknown, buffers: unknown[] = []): void {
    this.emit("msg:custom", { type: "ok", id, result }, buffers);
  }

  #fail(id: unknown, error: unknown): void {
    this.emit("msg:custom", { type: "error", id, ...describe(error) }, []);
  }
}

const describe = (error: unknown): { what: string; todo: string } =>
  error instanceof Refusal
    ? { what: error.what, todo: error.todo }
    : { what: words.unexpected(String(error)), todo: words.lastGood };
