// Requests to Python: one in flight and one pending, the newest wins; stale after 150 ms; progress, cancel, errors.
import { signal } from "@preact/signals";
import { stopped } from "./words/common";
import { viewClosed } from "./words/file";

/** A picture that has not followed for this long says so. */
export const STALE_AFTER = 150;
/** Key strokes closer than this are a burst: the first goes at once, the rest wait for a pause this long ... */
export const QUIET = 100;
/** ... but no longer than this. */
export const LONGEST = 1000;
/** A kernel that says nothing for this long is reported. */
export const SILENT_AFTER = 15_000;

export type Message = Record<string, unknown>;
export interface Failure {
  what: string;
  todo: string;
  /** Two prompts token by token, "" where one of them has none. */
  pairs?: [string, string][];
}
export interface Progress {
  done: number;
  total: number;
  note: string;
}
interface Waiting {
  resolve: (reply: { result: unknown; buffers: unknown[] }) => void;
  reject: (failure: Failure) => void;
}

/** Sends messages and keeps account of what is unanswered. */
export class Requests {
  /** Something was asked that the picture does not show yet. */
  readonly busy = signal(false);
  readonly stale = signal(false);
  readonly silent = signal(false);
  readonly progress = signal<Progress | null>(null);
  readonly failure = signal<Failure | null>(null);

  #next = Math.floor(Math.random() * 2 ** 31) * 2 ** 20;
  #flight: number | null = null;
  #pictured = false;
  #pending: Message | null = null;
  #waiting = new Map<unknown, Waiting>();
  #staleTimer: ReturnType<typeof setTimeout> | undefined;
  #silentTimer: ReturnType<typeof setTimeout> | undefined;
  #debounce: ReturnType<typeof setTimeout> | undefined;
  #lastSent = Number.NEGATIVE_INFINITY;
  #lastKey = Number.NEGATIVE_INFINITY;

  /** `send` posts to Python; `settled` is called when the last run was answered. */
  constructor(
    private readonly send: (message: Message) => void,
    private readonly settled: (failed: boolean) => void = () => {},
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Make this state true; `soon` gathers key strokes. */
  run(state: Message, soon = false): void {
    this.#submit({ type: "run", state }, soon);
  }

  /** Undo and redo go the way of a run: their answer is a new picture. */
  step(type: "undo" | "redo"): void {
    this.#submit({ type }, false);
  }

  /** Predictions after more positions; a newer wish goes before. */
  positions(positions: number[]): void {
    if (!this.busy.value) this.#submit({ type: "positions", positions }, false);
  }

  #submit(message: Message, soon: boolean): void {
    this.#pending = message;
    this.busy.value = true;
    this.failure.value = null;
    this.#staleTimer ??= setTimeout(() => {
      this.stale.value = true;
    }, STALE_AFTER);
    clearTimeout(this.#debounce);
    this.#debounce = undefined;
    const wait = soon ? this.#pause() : 0;
    if (wait <= 0) this.#flush();
    else this.#debounce = setTimeout(() => this.#flush(), wait);
  }

  /** How long a key stroke waits for the next one. */
  #pause(): number {
    const now = this.now();
    const burst = now - this.#lastKey < QUIET;
    this.#lastKey = now;
    return burst ? Math.min(QUIET, this.#lastSent + LONGEST - now) : 0;
  }

  /** A question with one answer, such as a search. */
  ask(message: Message): Promise<{ result: unknown; buffers: unknown[] }> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#try({ ...message, id });
    });
  }

  /** Stop what is running. */
  cancel(): void {
    this.#pending = null;
    if (this.#flight !== null) this.#try({ type: "cancel", id: this.#flight });
    else this.#finish();
  }

  /** A new picture came: the run in flight only refines it from now on, so the next may go. */
  pictured(): void {
    this.#pictured = true;
    this.#calm();
    if (this.#pending && this.#debounce === undefined) this.#flush();
  }

  /** A message from Python. */
  receive(message: Message, buffers: unknown[] = []): void {
    const { type, id } = message;
    this.#listen();
    const waiting = this.#waiting.get(id);
    if (waiting && (type === "ok" || type === "payload")) {
      this.#waiting.delete(id);
      waiting.resolve({ result: message.result ?? message, buffers });
    } else if (waiting && (type === "error" || type === "cancelled")) {
      this.#waiting.delete(id);
      waiting.reject(failureOf(message));
    } else if (type === "progress" && (id === this.#flight || id === null)) {
      const { done, total, note } = message;
      this.progress.value = { done: Number(done) || 0, total: Number(total) || 0, note: String(note ?? "") };
    } else if (id === this.#flight && id !== null && (type === "ok" || type === "error" || type === "cancelled")) {
      this.#answered(type, message);
    }
  }

  /** Nothing more will be asked. */
  close(): void {
    for (const timer of [this.#staleTimer, this.#silentTimer, this.#debounce]) clearTimeout(timer);
    this.#pending = null;
    for (const waiting of this.#waiting.values()) waiting.reject(failureOf({ what: viewClosed }));
    this.#waiting.clear();
  }

  #answered(type: string, message: Message): void {
    this.#flight = null;
    this.progress.value = null;
    if (this.#pending) {
      if (this.#debounce === undefined) this.#flush();
      return;
    }
    if (type === "error") this.failure.value = failureOf(message);
    this.#finish(type !== "ok");
  }

  #finish(failed = false): void {
    this.#calm();
    this.busy.value = false;
    this.progress.value = null;
    this.#listen();
    this.settled(failed);
  }

  #calm(): void {
    clearTimeout(this.#staleTimer);
    this.#staleTimer = undefined;
    this.stale.value = false;
    if (this.#pending) {
      this.#staleTimer = setTimeout(() => {
        this.stale.value = true;
      }, STALE_AFTER);
    }
  }

  #flush(): void {
    this.#debounce = undefined;
    if (!this.#pending || (this.#flight !== null && !this.#pictured)) return;
    const message = this.#pending;
    this.#pending = null;
    this.#post(message);
  }

  #post(message: Message): void {
    const id = this.#next++;
    this.#flight = id;
    this.#pictured = false;
    this.#lastSent = this.now();
    this.#try({ ...message, id });
  }

  #try(message: Message): void {
    try {
      this.send(message);
      this.#listen();
    } catch {
      this.silent.value = true;
    }
  }

  /** Wait for the kernel to say something, as long as it owes an answer. */
  #listen(): void {
    clearTimeout(this.#silentTimer);
    this.silent.value = false;
    if (this.#flight === null && this.#waiting.size === 0) return;
    this.#silentTimer = setTimeout(() => {
      this.silent.value = true;
    }, SILENT_AFTER);
  }
}

/** What an error says, whatever was sent. */
export const failureOf = ({ what, todo, pairs }: Message): Failure => ({
  what: typeof what === "string" ? what : stopped,
  todo: typeof todo === "string" ? todo : "",
  ...(Array.isArray(pairs) && { pairs: pairs.map((pair) => [String(pair?.[0] ?? ""), String(pair?.[1] ?? "")]) }),
});
