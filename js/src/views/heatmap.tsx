// The TokenHeatmap: bar, strip, legend, features beside predictions, strongest at the token, foot.
import { useComputed } from "@preact/signals";
import { viewKey } from "../commands";
import { Features } from "../parts/chips";
import { Help } from "../parts/help";
import { Legend } from "../parts/legend";
import { LongStrip } from "../parts/longstrip";
import { CopyCode, Menu } from "../parts/menu";
import { NextToken } from "../parts/predictions";
import { Edge, Failed } from "../parts/status";
import { Strip } from "../parts/strip";
import { Strongest } from "../parts/strongest";
import { Toolbar } from "../parts/toolbar";
import { Tooltip } from "../parts/tooltip";
import { piled, plain } from "../signs";
import { disabledReason, type View } from "../view";

/** More tokens than this are drawn as blocks of text, with a rail above. */
export const LONG = 400;

export function Heatmap({ view }: { view: View }) {
  const { state } = view;
  const { requests } = state;
  const long = useComputed(() => (state.payload.value?.tokens.text.length ?? 0) > LONG);
  const picture = useComputed(() =>
    requests.stale.value || state.failure.value !== null ? "picture drained" : "picture",
  );
  const key = (event: KeyboardEvent) => {
    if (!viewKey(view, event)) return;
    event.preventDefault();
    event.stopPropagation();
  };
  // A pasted pile of combining marks would keep the browser's own text fields busy for minutes.
  const input = (event: InputEvent) => {
    if (piled(event.data ?? event.dataTransfer?.getData("text/plain") ?? "")) event.preventDefault();
  };
  const empty = !state.payload.value;
  return (
    <div
      class="w"
      style={{ "min-height": empty ? `${state.options.height}px` : undefined }}
      onKeyDown={key}
      onBeforeInput={input}
    >
      <Edge view={view} />
      <Toolbar view={view} />
      <div class={picture.value}>{!empty && (long.value ? <LongStrip view={view} /> : <Strip view={view} />)}</div>
      <Failed view={view} />
      {!empty && (
        <Legend view={view} merged={state.options.compact && state.edited.value && !long.value} long={long.value} />
      )}
      {!empty && (
        <div class="grid cols">
          <Features view={view} />
          <NextToken view={view} />
        </div>
      )}
      {!empty && <Strongest view={view} />}
      <Foot view={view} />
      <Tooltip view={view} />
      <Help view={view} />
      <Announcer view={view} />
    </div>
  );
}

function Foot({ view }: { view: View }) {
  const { state } = view;
  const payload = state.payload.value;
  if (!payload) return null;
  const { context } = payload;
  const reason = state.live.value ? "" : disabledReason(state);
  return (
    <div class="foot">
      <span>
        {[context.model, context.dictionaries]
          .filter(Boolean)
          .map((text) => plain(text))
          .join(" · ")}
      </span>
      <span>{plain(context.propagation)} propagation</span>
      <span>seed {context.seed}</span>
      {reason && <span>{reason}</span>}
      <span class="sp" />
      <CopyCode view={view} />
      <Menu view={view} label="Save figure" name="Save figure" />
    </div>
  );
}

/** The live region: the result in one sentence, once it is there. */
function Announcer({ view }: { view: View }) {
  const { state } = view;
  const result = useComputed(() => {
    const payload = state.payload.value;
    if (!payload || state.requests.busy.value) return "";
    const { token, vocabulary, positions } = payload.predictions;
    const row = positions.indexOf(state.selection.value);
    const word = row < 0 ? "" : (vocabulary[token.data[row * token.columns] ?? 0] ?? "");
    return `${payload.tokens.text.length} tokens.${word ? ` Most likely next: ${plain(word)}.` : ""}`;
  });
  return (
    <div class="hear" role="status" aria-live="polite">
      {result} {view.said}
    </div>
  );
}
