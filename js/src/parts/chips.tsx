// Mixer rows: letter, label, slider from 0 to 2 with a notch at 1, what is done, greatest value before and after.
import { peakOf } from "../cells";
import { fill } from "../fill";
import { activation, factor } from "../format";
import { sliderOf } from "../model";
import { letter } from "../palette";
import type { ChosenFeature } from "../payloads";
import { searchHere } from "../search";
import { plain } from "../signs";
import { disabledReason, type View } from "../view";
import * as common from "../words/common";
import * as words from "../words/heatmap";
import { Key } from "./key";
import { SearchBox } from "./search";
import { Segments } from "./segments";
import { Slider } from "./slider";

/** "8.1 → 0" at the token where the feature is greatest. */
function Values({ feature }: { feature: ChosenFeature }) {
  const at = peakOf(feature.values);
  const before = activation(feature.values[at] ?? 0);
  const after = feature.after ? activation(feature.after[at] ?? 0) : before;
  const title = words.greatestAt(at);
  if (before === after) return <span title={title}>{before}</span>;
  return (
    <span title={title}>
      {before} → <b>{after}</b>
    </span>
  );
}

export function Row({ view, feature }: { view: View; feature: ChosenFeature }) {
  const { state } = view;
  const wanted = state.live.value ? sliderOf(state.edits.value, feature.id) : feature.scale;
  const local = state.local.value.includes(feature);
  const off = disabledReason(state) !== "";
  const name = plain(feature.label || feature.id);
  const key = letter(feature.slot);
  const done = wanted === null ? plain(feature.edit, 60) : wanted === 0 ? words.ablate : factor(wanted);
  return (
    <div class="mx" role="group" aria-label={words.featureNamed(key, name)}>
      <button
        type="button"
        class="keybutton"
        aria-pressed={state.fill.value === feature.id}
        aria-label={words.fillWith(key)}
        title={words.fillTokens}
        onClick={() => state.setFill(feature.id)}
      >
        <Key feature={feature} hollow={wanted === 0} />
      </button>
      <div class="lab">
        <div class="clip" title={name}>
          {name}
        </div>
        {feature.label && <div class="id clip">{plain(feature.id)}</div>}
        {local && <div class="id clip">{words.amongStrongest}</div>}
      </div>
      {wanted === null ? (
        <div class="words">{done}</div>
      ) : (
        <Slider
          slot={feature.slot}
          label={words.factorOf(key)}
          value={wanted}
          spoken={wanted === 0 ? words.ablate : factor(wanted)}
          disabled={off}
          set={(to, dragging) => state.setSlider(feature.id, to, dragging)}
        />
      )}
      <button
        type="button"
        class="num did"
        disabled={off || local}
        title={wanted === 1 ? words.ablate : words.undoThisEdit}
        aria-label={
          wanted === 1 ? words.ablateFeature(done, key) : words.resetFeature(wanted === null ? words.reset : done, key)
        }
        onClick={() => state.setSlider(feature.id, wanted === 1 ? 0 : 1)}
      >
        {wanted === null ? words.reset : done}
      </button>
      <div class="num i2 vals">
        <Values feature={feature} />
      </div>
      <button
        type="button"
        class="x"
        disabled={off && !local}
        aria-label={words.removeFeature(key, name)}
        title={words.remove}
        onClick={() => state.removeFeature(feature.id)}
      >
        ×
      </button>
    </div>
  );
}

function Empty({ view }: { view: View }) {
  const { state } = view;
  const site = state.siteView.value;
  const at = state.selection.value;
  const start = site?.strongest.indptr[at] ?? 0;
  const top = site
    ? [...site.strongest.index.slice(start, Math.min(start + 3, site.strongest.indptr[at + 1] ?? start))]
    : [];
  const take = () => state.addFeatures(top.map((index) => `${site?.key}/${index}`));
  return (
    <p class="em">
      {fill(top.length > 0 ? words.noneChosenOrTake : words.noneChosen, {
        key: <kbd>/</kbd>,
        take: (
          <button type="button" class="link" onClick={take}>
            {words.takeStrongest}
          </button>
        ),
      })}
    </p>
  );
}

export function Features({ view }: { view: View }) {
  const { state } = view;
  const features = state.features.value;
  const edits = state.edits.value;
  const errorTerm = state.errorTerm.value;
  const n = state.live.value ? edits.length : (state.payload.value?.n_edits ?? 0);
  const shown = new Set(features.map((feature) => feature.id));
  const hidden = state.live.value ? edits.filter((edit) => !shown.has(edit.feature)).length : 0;
  const term = state.live.value ? errorTerm : state.payload.value?.context.error === "dropped" ? "dropped" : "kept";
  const off = disabledReason(state);
  return (
    <section aria-label={`${words.featuresAndEdits}${view.state.place}`}>
      <h3>
        {words.featuresAndEdits}{" "}
        <span class="sub">
          · {n === 0 ? words.noEdits : words.edits(n)} ·{" "}
          {term === "kept" ? words.errorTermKept : words.errorTermDropped}
          {hidden > 0 && ` · ${words.onHidden(hidden)}`}
        </span>
      </h3>
      {features.length === 0 && state.payload.value && !state.requests.busy.value && <Empty view={view} />}
      <div class="rows">
        {features.map((feature) => (
          <Row key={feature.id} view={view} feature={feature} />
        ))}
      </div>
      <div class="add">
        <SearchBox view={view} here={(text) => searchHere(state, text)} />
        <fieldset class="bare" disabled={off !== ""} title={off || words.whatBecomesOfErrorTerm}>
          <Segments
            label={common.errorTermHead}
            choices={[
              { value: "kept", label: common.errorKept },
              { value: "dropped", label: words.dropped },
            ]}
            value={term}
            set={(value) => state.setErrorTerm(value === "dropped" ? "dropped" : "kept")}
          />
        </fieldset>
      </div>
    </section>
  );
}
