// One grey line: the ramp with its ends, and the marks in words.
import { activation, probability } from "../format";
import { fillOf } from "../look";
import { letter, ramp } from "../palette";
import type { View } from "../view";

export function Legend({ view, merged, long }: { view: View; merged: boolean; long: boolean }) {
  const { state } = view;
  const payload = state.payload.value;
  if (!payload) return null;
  const fill = fillOf(payload, state.fill.value, state.filling.value, state.siteView.value);
  const features = state.features.value;
  const letters = features.map((feature) => letter(feature.slot)).join(" ");
  const edited = state.edited.value;
  const end = fill.slot === null ? probability(fill.maximum) : activation(fill.maximum);
  return (
    <div class="legend main">
      {fill.maximum > 0 && (
        <span>
          fill: {fill.slot === null ? "" : `${letter(fill.slot)}, `}
          {fill.name} 0
          <span class="sw1">
            {[1, 2, 3, 4, 5, 6, 7].map((n) => (
              <i key={n} class={ramp(fill.slot, n)} />
            ))}
          </span>
          {end}
        </span>
      )}
      {features.length > 0 && !long && <span>lanes {letters}: bar height, each to its own maximum</span>}
      {edited && features.length > 0 && !long && <span>hollow: removed by the edit</span>}
      {edited && features.length > 0 && <span>{long ? "dotted line" : "dot"}: token changed</span>}
      {long && <span>rail: the greatest of each slice</span>}
      {merged && <span>top edge: before</span>}
    </div>
  );
}
