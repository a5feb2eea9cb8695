// Steering in a live page: add to a chosen feature, at all tokens or at the selected one. In a notebook, Python does it.
import { useSignal } from "@preact/signals";
import type { Edit } from "../model";
import { letter } from "../palette";
import { plain } from "../signs";
import type { View } from "../view";
import * as words from "../words/steering";
import { Segments } from "./segments";

/** Strengths beyond this are no steering any more. */
const MOST = 1000;

export function Steer({ view }: { view: View }) {
  const { state } = view;
  const strength = useSignal("4");
  const here = useSignal(false);
  const features = state.features.value;
  const id = features.some((feature) => feature.id === state.focused.value)
    ? state.focused.value
    : (features[0]?.id ?? "");
  if (!id) return null;
  const edits = state.edits.value;
  const errorTerm = state.errorTerm.value;
  const at = state.selection.value;
  const token = plain(state.payload.value?.tokens.text[at] ?? "", 20).trim();
  const value = Number(strength.value);
  const fits = strength.value.trim() !== "" && Math.abs(value) <= MOST;
  const steer = () => {
    if (!fits) return;
    const error = errorTerm === "kept" ? "keep" : "drop";
    const edit: Edit = { kind: "steer", feature: id, value, positions: here.value ? [at] : null, error };
    state.want({ edits: [...edits.filter((other) => other.feature !== id), edit] });
    view.said.value = words.steeredBy(value);
  };
  return (
    <section aria-label={words.steer} style={{ "margin-top": "12px" }}>
      <h3>
        {words.steer} <span class="sub">{words.addsInItsUnits}</span>
      </h3>
      <div class="add" style={{ "align-items": "center" }}>
        <Segments
          label={words.featureToSteer}
          choices={features.map((feature) => ({
            value: feature.id,
            label: letter(feature.slot),
            title: plain(feature.label || feature.id),
          }))}
          value={id}
          set={state.setFill}
        />
        <span class="seg choose">
          <input
            type="number"
            aria-label={words.strength}
            aria-invalid={!fits}
            step="0.5"
            min={-MOST}
            max={MOST}
            style={{ width: "64px", padding: "0 6px" }}
            value={strength.value}
            onInput={(event) => {
              strength.value = event.currentTarget.value;
            }}
            onKeyDown={(event) => {
              event.stopPropagation();
              if (event.key === "Enter") steer();
            }}
          />
        </span>
        <Segments
          label={words.tokensToSteer}
          choices={[
            { value: "all", label: words.allTokens },
            { value: "here", label: words.tokenAt(at, token).trim() },
          ]}
          value={here.value ? "here" : "all"}
          set={(choice) => {
            here.value = choice === "here";
          }}
        />
        <button type="button" class="btn" disabled={!fits} onClick={steer}>
          {words.steer}
        </button>
      </div>
    </section>
  );
}
