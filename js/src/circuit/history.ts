// Undo of marks, and of what Python did, in the order in which both were done.
import { signal } from "@preact/signals";
import type { Marks } from "./kinds";

const LIMIT = 100;
type Step = { kind: "marks"; marks: Marks } | { kind: "python" };

/** Steps back and forth. A step of Python's is only counted: Python has the state. */
export class Steps {
  readonly #back: Step[] = [];
  readonly #forth: Step[] = [];
  readonly depth = signal<[number, number]>([0, 0]);

  /** Marks are about to change from these. */
  marked(before: Marks): void {
    this.#push({ kind: "marks", marks: before });
  }

  /** A request is about to be made that Python can undo. */
  asked(): void {
    // Key strokes of a burst are one step there too.
    if (this.#back.at(-1)?.kind !== "python") this.#push({ kind: "python" });
  }

  #push(step: Step): void {
    this.#back.push(step);
    if (this.#back.length > LIMIT) this.#back.shift();
    this.#forth.length = 0;
    this.#count();
  }

  #count(): void {
    this.depth.value = [this.#back.length, this.#forth.length];
  }

  /** Takes a step; `now` is what a step forth comes back to. `null` when there is none. */
  take(back: boolean, now: Marks): Step | null {
    const [from, to] = back ? [this.#back, this.#forth] : [this.#forth, this.#back];
    const step = from.pop();
    if (!step) return null;
    to.push(step.kind === "marks" ? { kind: "marks", marks: now } : step);
    this.#count();
    return step;
  }

  /** Python has more steps than were counted here, so one of its own is not over. */
  keepPython(back: boolean): void {
    (back ? this.#back : this.#forth).push({ kind: "python" });
    this.#count();
  }
}
