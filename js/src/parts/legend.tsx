// One grey line: the ramp with its ends, and the marks in words.
import { activation, probability } from "../format";
import { fillOf } from "../look";
import { letter, ramp } from "../palette";
import type { View } from "../view";
import * as words from "../words/heatmap";

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
          {words.fillOf(fill.slot === null ? fill.name : `${letter(fill.slot)}, ${fill.name}`)}
          <span class="sw1">
            {[1, 2, 3, 4, 5, 6, 7].map((n) => (
              <i key={n} class={ramp(fill.slot, n)} />
            ))}
          </span>
          {end}
        </span>
      )}
      {features.length > 0 && !long && <span>{words.lanes(letters)}</span>}
      {edited && features.length > 0 && !long && <span>{words.hollowRemoved}</span>}
      {edited && features.length > 0 && <span>{long ? words.dottedLineChanged : words.dotChanged}</span>}
      {long && <span>{words.railGreatest}</span>}
      {merged && <span>{words.topEdgeBefore}</span>}
    </div>
  );
}
