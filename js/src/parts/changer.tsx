// What is done to a feature in a text of one's own: a factor, or an amount added at every token.
import { useSignal } from "@preact/signals";
import { factor, signed } from "../format";
import type { FeatureDashboardPayload } from "../payloads";
import { plain } from "../signs";
import type { DashboardView } from "../views/featuredashboard";
import * as words from "../words/heatmap";
import { Slider } from "./slider";

interface Props {
  view: DashboardView;
  payload: FeatureDashboardPayload;
}

export function Changer({ view, payload }: Props) {
  const { state } = view;
  const adding = useSignal(false);
  const scale = state.scale.value;
  const steer = state.steer.value;
  const steering = steer !== 0 || (adding.value && scale === 1);
  const switchTo = (wanted: boolean) => {
    adding.value = wanted;
    if (scale !== 1 || steer !== 0) state.change(1, 0, false);
  };
  const link = (name: string, act: () => void) => (
    <button type="button" class="link sub" disabled={state.off !== ""} onClick={act}>
      {name}
    </button>
  );
  if (steering) {
    // Its greatest activation is one half of the way.
    const unit = payload.maximum || payload.live?.features[0]?.maximum || 1;
    return (
      <span class="scaler">
        {link(words.scale, () => switchTo(false))}
        <Slider
          disabled={state.off !== ""}
          slot={payload.slot}
          label={words.addedToFeature}
          value={steer / unit}
          middle={0}
          half={2}
          spoken={words.atEveryToken(signed(steer, 1, true))}
          set={(value, dragging) => state.change(1, value * unit, dragging)}
        />
        <span class="sub num factor">{steer === 0 ? "+0" : signed(steer, 1, true)}</span>
      </span>
    );
  }
  // A page has no slider to ask: it says what was done.
  const done = state.live.value ? "" : plain(payload.live?.features[0]?.edit ?? "", 40);
  const spoken = done || (scale === 0 ? words.ablated : factor(scale));
  return (
    <span class="scaler">
      {link(scale === 0 ? words.restore : words.ablate, () => state.change(scale === 0 ? 1 : 0, 0, false))}
      {link(words.steer, () => switchTo(true))}
      <Slider
        disabled={state.off !== ""}
        slot={payload.slot}
        label={words.factorOfFeature}
        value={scale}
        spoken={spoken}
        set={(value, dragging) => state.change(value, 0, dragging)}
      />
      <span class="sub num factor">{spoken}</span>
    </span>
  );
}
