// What lines and shapes of a circuit graph mean.
import type { ComponentChildren } from "preact";
import type { CircuitPayload } from "../payloads";
import * as words from "../words/circuit";
import type { CircuitView } from "./view";

/** A shape of the graph and its meaning. */
function Sign({ width, height = 14, word, children }: SignProps) {
  return (
    <span>
      <svg class="sign" width={width} height={height} fill="none" aria-hidden="true">
        {children}
      </svg>{" "}
      {word}
    </span>
  );
}

interface SignProps {
  width: number;
  height?: number;
  word: string;
  children: ComponentChildren;
}

export function Legend({ view, payload }: { view: CircuitView; payload: CircuitPayload }) {
  const both = payload.before !== null && view.state.side.value !== "before";
  return (
    <div class="legend main">
      <Sign width={26} height={8} word={words.raises}>
        <path d="M0 4H26" stroke="var(--raises)" stroke-width="3" />
      </Sign>
      <Sign width={26} height={8} word={words.lowers}>
        <path d="M0 4H26" stroke="var(--lowers)" stroke-width="2" stroke-dasharray="5 3" />
      </Sign>
      <Sign width={28} word={words.featureArea}>
        <circle cx="4" cy="7" r="2" fill="var(--control)" />
        <circle cx="19" cy="7" r="6" fill="var(--control)" />
      </Sign>
      <Sign width={10} height={10} word={words.error}>
        <rect x="1" y="1" width="8" height="8" stroke="var(--control)" stroke-width="1.2" />
      </Sign>
      {both && (
        <>
          <Sign width={16} word={words.added}>
            <circle cx="8" cy="7" r="3" fill="var(--control)" />
            <circle cx="8" cy="7" r="6" stroke="var(--ink2)" />
          </Sign>
          <Sign width={14} word={words.gone}>
            <circle cx="7" cy="7" r="5" stroke="var(--ink2)" stroke-width="1.5" stroke-dasharray="2.5 2" />
          </Sign>
        </>
      )}
    </div>
  );
}
