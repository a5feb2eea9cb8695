// Undo and redo.
import type { Payload } from "../payloads";
import type { Picture } from "../picture";
import * as common from "../words/common";

export function Steps({ state }: { state: Picture<Payload> }) {
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
      {button("undo", "↶", common.undo, common.undoKeys, state.undoDepth.value)}
      {button("redo", "↷", common.redo, common.redoKeys, state.redoDepth.value)}
    </>
  );
}
