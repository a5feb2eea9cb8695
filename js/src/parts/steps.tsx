// Undo and redo.
import type { ReadonlySignal } from "@preact/signals";
import type { Payload } from "../payloads";
import type { Picture } from "../picture";

/** A picture with a history. */
export type Stepping = Picture<Payload> & { undoDepth: ReadonlySignal<number>; redoDepth: ReadonlySignal<number> };

export function Steps({ state }: { state: Stepping }) {
  const button = (type: "undo" | "redo", sign: string, name: string, title: string, depth: number) => (
    <button
      type="button"
      class="btn bare"
      title={title}
      aria-label={name}
      disabled={!state.live.value || depth === 0}
      onClick={() => state.requests.step(type)}
    >
      {sign}
    </button>
  );
  return (
    <>
      {button("undo", "↶", "Undo", "Undo (Ctrl+Z)", state.undoDepth.value)}
      {button("redo", "↷", "Redo", "Redo (Ctrl+Shift+Z)", state.redoDepth.value)}
    </>
  );
}
