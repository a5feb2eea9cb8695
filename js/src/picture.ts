// What every view's state begins with: the payload as it comes, whether there is a model, what failed, the way to Python.
import { batch, computed, type ReadonlySignal, signal } from "@preact/signals";
import { bytesOf, decode, type Kind } from "./decode";
import { panelsLater } from "./later";
import type { Payload } from "./payloads";
import { type Failure, failureOf, Requests } from "./requests";
import { isPacked, unpack } from "./unpack";
import { viewed } from "./viewed";
import { runTheCellAgain } from "./words/common";

/** The part of anywidget's model that we use; an exported page has one of its own. */
export interface AnyModel {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  // biome-ignore lint/suspicious/noExplicitAny: hosts call listeners with what they like
  on(event: string, listener: (...values: any[]) => void): void;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  off(event: string, listener?: (...values: any[]) => void): void;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
}

export const words = (value: unknown): string => (typeof value === "string" ? value : "");
export const whole = (value: unknown): number => (Number.isSafeInteger(value) ? (value as number) : 0);

/** What a view is at, and how it is taken elsewhere. */
export interface Place<T> {
  at: ReadonlySignal<T>;
  go(value: T): void;
}

/** What views can follow each other in; a token is one of the same prompt. */
export interface Followed {
  token?: Place<number> & { prompt(): string };
  feature?: Place<string>;
  /** The token under the pointer, -1 for none. */
  pointed?: Place<number> & { prompt(): string };
}

/** State of one view of one model. A subclass ends its constructor with `start()`. */
export class Picture<P extends Payload = Payload> {
  readonly payload = signal<P | null>(null);
  /** Bytes of the picture as it came. */
  #raw: Uint8Array = new Uint8Array(0);
  /** Names of the view's traits. */
  #traits: readonly string[] = [];
  readonly live = signal(false);
  readonly undoDepth = signal(0);
  readonly redoDepth = signal(0);
  readonly error = signal<Failure | null>(null);
  readonly requests: Requests;
  readonly failure = computed(() => this.requests.failure.value ?? this.error.value);
  /** The picture is not that of what was asked. */
  readonly drained = computed(() => this.requests.stale.value || this.failure.value !== null);
  /** Of the view: what its files are called. */
  readonly name: string;
  /** Reserved before the first picture, in px. */
  readonly height: number;
  /** What other views of a page can follow; several where several texts are in view. */
  readonly followed: Followed | readonly Followed[] = {};
  /** Whether others do. */
  readonly linked = signal(false);
  readonly #ends: (() => void)[] = [];
  /** The pictures that came and are not drawn yet: they keep their order, and messages wait for them. */
  #unpacking: Promise<void> | null = null;

  readonly #kind: Kind<P>;

  constructor(
    protected readonly model: AnyModel,
    kind: Kind<P>,
  ) {
    this.#kind = kind;
    this.requests = new Requests(
      (message) => model.send(message),
      (failed) => this.settled(failed),
    );
    this.name = words(model.get("_view")) || "view";
    this.height = Math.min(4000, Math.max(40, whole(model.get("height")) || 120));
  }

  /** Lets go of the model. */
  close(): void {
    this.requests.close();
    for (const end of this.#ends.splice(0)) end();
  }

  /** Set a trait that Python is to know. */
  share(name: string, value: unknown): void {
    this.model.set(name, value);
    this.model.save_changes();
  }

  /** Content of a file of this picture, as it is looked at now; for where there is no kernel. */
  content(): Uint8Array<ArrayBuffer> {
    const view = Object.fromEntries(this.#traits.map((name) => [name, this.model.get(name)]));
    return this.#raw.length ? viewed(this.#raw, view) : new Uint8Array(0);
  }

  // -- what a subclass adds -------------------------------------------------------------------------------------------

  /** The last run was answered. */
  protected settled(_failed: boolean): void {}

  /** A new payload is there. */
  protected shown(_payload: P): void {}

  /** Takes what belongs to the view from the traits, else from the payload. */
  protected view(): void {
    this.live.value = this.model.get("live") === true;
    this.undoDepth.value = whole(this.model.get("undo_depth"));
    this.redoDepth.value = whole(this.model.get("redo_depth"));
    const error = this.model.get("error") as Record<string, unknown> | null;
    this.error.value = error ? failureOf(error) : null;
  }

  // -- what Python says -----------------------------------------------------------------------------------------------

  /** Listen to Python and show the first picture. `traits` are those of the view. */
  protected start(traits: readonly string[]): void {
    this.#traits = traits;
    // marimo sets one trait after the other and the buffers last: look when all of an update is there.
    this.listen("_revision", () =>
      queueMicrotask(() => {
        if (this.#ends.length) this.#picture();
      }),
    );
    for (const name of ["live", "error", "undo_depth", "redo_depth", ...traits])
      this.listen(name, () => batch(() => this.view()));
    const receive = (message: unknown, buffers?: unknown[]) => {
      if (typeof message !== "object" || message === null) return;
      const take = () => this.requests.receive(message as Record<string, unknown>, buffers ?? []);
      if (this.#unpacking) this.#unpacking.then(take);
      else take();
    };
    this.model.on("msg:custom", receive);
    this.#ends.push(() => this.model.off("msg:custom", receive));
    this.#picture();
  }

  protected listen(name: string, listener: () => void): void {
    this.model.on(`change:${name}`, listener);
    this.#ends.push(() => this.model.off(`change:${name}`, listener));
  }

  #picture(): void {
    const bytes = bytesOf(this.model.get("_payload"));
    if (isPacked(bytes)) this.#unpack(bytes);
    else if (bytes.length) this.#show(bytes);
    else if (whole(this.model.get("_revision")) > 0) {
      this.requests.ask({ type: "payload" }).then(
        ({ buffers }) => this.#show(bytesOf(buffers[0])),
        (failure) => {
          this.error.value = failure as Failure;
        },
      );
    }
  }

  #unpack(bytes: Uint8Array): void {
    const done = Promise.all([unpack(bytes), this.#unpacking])
      .then(
        ([raw]) => {
          if (this.#ends.length) this.#show(raw);
        },
        (error) => this.#unreadable(error),
      )
      .then(() => {
        if (this.#unpacking === done) this.#unpacking = null;
      });
    this.#unpacking = done;
  }

  #show(bytes: Uint8Array): void {
    try {
      const payload = decode(bytes, this.#kind);
      const show = () => {
        this.#raw = bytes;
        this.payload.value = payload;
        this.shown(payload);
        this.view();
      };
      panelsLater(() => batch(show));
      this.requests.pictured();
    } catch (error) {
      this.#unreadable(error);
    }
  }

  #unreadable(error: unknown): void {
    this.error.value = failureOf({
      what: error instanceof Error ? error.message : String(error),
      todo: runTheCellAgain,
    });
  }
}
