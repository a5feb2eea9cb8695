// The bar: site as stream and layer, what fills, status, undo, menu.
import { siteParts, siteWith } from "../commands";
import { letter } from "../palette";
import { plain } from "../signs";
import type { View } from "../view";
import * as common from "../words/common";
import * as words from "../words/frame";
import { Choose } from "./choose";
import { Menu } from "./menu";
import { Segments } from "./segments";
import { Status } from "./status";
import { Steps } from "./steps";

/** More layers than this make a menu instead of a row of buttons. */
const MAX_BUTTONS = 8;

const unique = (values: string[]): string[] => [...new Set(values)];

export function Site({ view }: { view: View }) {
  const { state } = view;
  const parts = (state.payload.value?.sites ?? []).map((site) => siteParts(site.key));
  const here = siteParts(state.site.value);
  const streams = unique(parts.map((part) => part.stream)).map((value) => ({ value, label: plain(value, 40) }));
  const layers = unique(parts.filter((part) => part.stream === here.stream).map((part) => part.layer)).filter(Boolean);
  const names = unique(parts.filter((p) => p.stream === here.stream && p.layer === here.layer).map((p) => p.name));
  const set = (change: Partial<typeof here>) => state.setSite(siteWith(state, change));
  const Layers = layers.length > MAX_BUTTONS ? Choose : Segments;
  return (
    <>
      <span class="i2">{words.site}</span>
      <Choose label={words.stream} choices={streams} value={here.stream} set={(stream) => set({ stream })} />
      {layers.length > 0 && (
        <Layers
          label={words.layer}
          choices={layers.map((value) => ({ value, label: value }))}
          value={here.layer}
          set={(layer) => set({ layer })}
        />
      )}
      {names.length > 1 && (
        <Segments
          label={words.dictionary}
          choices={names.map((value) => ({ value, label: value ? `@${plain(value, 40)}` : words.main }))}
          value={here.name}
          set={(name) => set({ name })}
        />
      )}
    </>
  );
}

function Fill({ view }: { view: View }) {
  const { state } = view;
  const feature = state.features.value.find((other) => other.id === state.focused.value);
  const choices = [
    ...(feature ? [{ value: feature.id, label: letter(feature.slot), title: plain(feature.label || feature.id) }] : []),
    { value: "error", label: words.error, title: words.errorTitle },
    { value: "surprise", label: words.surprise, title: words.surpriseTitle },
  ];
  return (
    <span class="fillbar">
      <span class="i2">{words.fill}</span>
      <Segments label={words.fill} choices={choices} value={state.fill.value} set={state.setFill} />
    </span>
  );
}

export function Toolbar({ view }: { view: View }) {
  const { state } = view;
  return (
    <div class="bar0">
      {state.payload.value && <Site view={view} />}
      {state.payload.value && <Fill view={view} />}
      <span class="sp" />
      <Status view={view} />
      <span class="steps">
        <Steps state={state} />
        <Menu view={view} label="⋯" name={common.menu} bare full />
      </span>
    </div>
  );
}
