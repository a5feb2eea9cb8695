// The clean and the corrupted prompt, typed in place; where they differ they are underlined.
import { cellsOf, cellsOfDraft } from "../cells";
import type { PatchMapPayload, Tokens } from "../payloads";
import { piled } from "../signs";
import { disabledReason } from "../view";
import type { PatchView } from "../views/patchmap";
import * as words from "../words/patchmap";

export function PairText({ view, payload }: { view: PatchView; payload: PatchMapPayload }) {
  const { state } = view;
  const off = disabledReason(state) !== "";
  const row = (name: "clean" | "corrupt", tokens: Tokens, other: Tokens) => {
    const text = state[name].value;
    return (
      <>
        <span class="sub">{name === "clean" ? words.clean : words.corrupt}</span>
        <div class="mirrored">
          <div class="mirror" aria-hidden={!off}>
            {cellsOfDraft(cellsOf(tokens), payload[name], text).map(({ token, start, end }, i) => {
              const piece = text.slice(start, end);
              if (!piece) return null;
              const gap = /^\s*/.exec(piece)?.[0] ?? "";
              const differs = token >= 0 && tokens.ids[token] !== other.ids[token];
              return (
                <span key={i}>
                  {gap}
                  <span class={differs ? "differs" : ""}>{piece.slice(gap.length)}</span>
                </span>
              );
            })}
            {/* An empty last line has no height of its own. */}
            {text.endsWith("\n") || text === "" ? "\u200b" : ""}
          </div>
          {!off && !piled(text) && (
            <textarea
              aria-label={name === "clean" ? words.cleanPrompt : words.corruptedPrompt}
              spellcheck={false}
              autocapitalize="off"
              value={text}
              onInput={(event) => state.type(name, event.currentTarget.value)}
              onKeyDown={(event) => {
                event.stopPropagation();
                if (event.key === "Escape") event.currentTarget.blur();
              }}
            />
          )}
        </div>
      </>
    );
  };
  const noise = state.corruption.value === "noise";
  return (
    <div class="pair">
      {row("clean", payload.tokens, payload.corrupt_tokens)}
      {row("corrupt", payload.corrupt_tokens, payload.tokens)}
      {noise && (
        <>
          <span class="sub" />
          <span class="sub">{words.whereNoiseIs}</span>
        </>
      )}
    </div>
  );
}
