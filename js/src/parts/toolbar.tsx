// The bar: site as stream and layer, what fills, status, undo, menu.
import { siteParts, siteWith } from "../commands";
import { letter } from "../palette";
import { plain } from "../signs";
import type { View } from "../view";
import { Menu } from "./menu";
import { type Choice, Segments } from "./segments";
import { Status } from "./status";

/** More layers than this make a menu instead of a row of buttons. */
const MAX_BUTTONS = 8;

function Choose({
  label,
  choices,
  value,
  set,
}: {
  label: string;
  choices: Choice[];
  value: string;
  set: (value: string) => void;
}) {
  return (
    <span class="seg choose">
      <select aria-label={label} value={value} onChange={(event) => set(event.currentTarget.value)}>
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.label}
          </option>
        ))}
      </select>
      <span aria-hidden="true">▾</span>
    </span>
  );
}

const unique = (values: string[]): string[] => [...new Set(values)];

function Site({ view }: { view: View }) {
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
      <span class="i2">Site</span>
      <Choose label="Stream" choices={streams} value={here.stream} set={(stream) => set({ stream })} />
      {layers.length > 0 && (
        <Layers
          label="Layer"
          choices={layers.map((value) => ({ value, label: value }))}
          value={here.layer}
          set={(layer) => set({ layer })}
        />
      )}
      {names.length > 1 && (
        <Segments
          label="Dictionary"
          choices={names.map((value) => ({ value, label: value ? `@${plain(value, 40)}` : "main" }))}
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
    { value: "error", label: "error", title: "share of the activation that the dictionary misses" },
    { value: "surprise", label: "surprise", title: "−log p of each token, nats" },
  ];
  return (
    <span class="fillbar">
      <span class="i2">Fill</span>
      <Segments label="Fill" choices={choices} value={state.fill.value} set={state.setFill} />
    </span>
  );
}

/** Undo and redo. */
function Steps({ view }: { view: View }) {
  const { state } = view;
  const step = (type: "undo" | "redo") => state.requests.step(type);
  return (
    <>
      <button
        type="button"
        class="btn bare"
        title="Undo (Ctrl+Z)"
        aria-label="Undo"
        disabled={!state.live.value || state.undoDepth.value === 0}
        onClick={() => step("undo")}
      >
        ↶
      </button>
      <button
        type="button"
        class="btn bare"
        title="Redo (Ctrl+Shift+Z)"
        aria-label="Redo"
        disabled={!state.live.value || state.redoDepth.value === 0}
        onClick={() => step("redo")}
      >
        ↷
      </button>
    </>
  );
}

export function Toolbar({ view }: { view: View }) {
  return (
    <div class="bar0">
      <Site view={view} />
      <Fill view={view} />
      <span class="sp" />
      <Status view={view} />
      <span class="steps">
        <Steps view={view} />
        <Menu view={view} label="⋯" name="Menu" bare full />
      </span>
    </div>
  );
}
