// What is steered with: a row a feature or vector, with a slider; the search, and features that are strong in the prompt.
import { signed } from "../format";
import { letter } from "../palette";
import type { SteeringPayload, SteeringSlider } from "../payloads";
import { plain } from "../signs";
import { disabledReason } from "../view";
import type { SteeringView } from "../views/steering";
import * as words from "../words/steering";
import { Key } from "./key";
import { SearchBox } from "./search";
import { Slider } from "./slider";

interface Props {
  view: SteeringView;
  payload: SteeringPayload;
}

/** A strength as the mode writes it. */
export function strength(mode: string, value: number): string {
  if (mode === "additive") return signed(value, 1, true);
  return `${mode === "scale" ? "×" : "="} ${signed(value, 1)}`;
}

export function Steers({ view, payload }: Props) {
  const { state } = view;
  const wanted = new Map(state.draft.value.sliders.map(({ id, value }) => [id, value]));
  const rows = payload.sliders.filter(({ id }) => wanted.has(id));
  const live = disabledReason(state) === "";
  const lower = (text: string) => text.toLowerCase();
  return (
    <section aria-label={words.sliders} class="steers">
      <div class="rows">
        {rows.map((slider) => (
          <Row key={slider.id} view={view} slider={slider} mode={payload.mode} value={wanted.get(slider.id) ?? 0} />
        ))}
      </div>
      {rows.length === 0 && <p class="em">{words.baseAlone}</p>}
      {live && (
        <div class="add">
          <SearchBox
            view={view}
            here={(text) =>
              payload.offers.filter(
                ({ id, label }) => text && (id.endsWith(text) || lower(label).includes(lower(text))),
              )
            }
          />
          {payload.offers.length > 0 && (
            <span class="sub offers">
              {words.strongInPrompt}
              {payload.offers.map(({ id, label }) => (
                <button key={id} type="button" class="link" onClick={() => state.addFeatures([id])}>
                  {plain(label || id, 40)}
                </button>
              ))}
            </span>
          )}
        </div>
      )}
    </section>
  );
}

interface RowProps {
  view: SteeringView;
  slider: SteeringSlider;
  mode: string;
  value: number;
}

function Row({ view, slider, mode, value }: RowProps) {
  const { state } = view;
  const { id, label, slot, middle, half, share } = slider;
  const off = disabledReason(state) !== "";
  const name = plain(label || id, 80);
  const said = strength(mode, value);
  return (
    <div class="mx steer" role="group" aria-label={`${letter(slot)}, ${name}`}>
      <Key feature={slider} />
      <div class="lab">
        <div class="clip" title={name}>
          {name}
        </div>
        {label && <div class="id clip">{plain(id, 60)}</div>}
      </div>
      <Slider
        slot={slot}
        label={words.strengthOf(letter(slot))}
        value={(value - middle) / half}
        middle={0}
        half={1}
        spoken={said}
        disabled={off}
        set={(place, dragging) => state.setSlider(id, Number((middle + place * half).toPrecision(9)), dragging)}
      />
      <div class="num">{said}</div>
      <div class="sub hide-s">
        {mode === "additive" && share > 0 && words.ofResidualNorm(signed(Math.abs(value) * share, 2))}
      </div>
      <button
        type="button"
        class="x"
        disabled={off}
        aria-label={words.removeFeature(letter(slot))}
        title={words.remove}
        onClick={() => state.remove(id)}
      >
        ×
      </button>
    </div>
  );
}
