// The TokenHeatmap: bar, strip, legend, features beside predictions, strongest at the token, foot.
import { useComputed } from "@preact/signals";
import type { ComponentChild } from "preact";
import { viewKey } from "../commands";
import { HeatmapState } from "../model";
import type { Draw } from "../mount";
import { Features } from "../parts/chips";
import { Foot } from "../parts/foot";
import { Help } from "../parts/help";
import { Legend } from "../parts/legend";
import { LongStrip } from "../parts/longstrip";
import { NextToken } from "../parts/predictions";
import { Edge, Failed } from "../parts/status";
import { Strip } from "../parts/strip";
import { Strongest } from "../parts/strongest";
import { Toolbar } from "../parts/toolbar";
import { Tooltip } from "../parts/tooltip";
import { piled, plain } from "../signs";
import { makeView, type View } from "../view";
import * as common from "../words/common";
import * as words from "../words/heatmap";

/** More tokens than this are drawn as blocks of text, with a rail above. */
export const LONG = 400;

/** Another part of the view, below features and predictions. */
export type Part = (props: { view: View }) => ComponentChild;

/** A heatmap with more in it, or a `brief` one that leaves predictions and foot to what is around it. */
export const heatmapWith =
  (More?: Part, brief = false): Draw =>
  (model, root, ended) => {
    const state = new HeatmapState(model);
    return { state, element: <Heatmap view={makeView(state, root, ended)} More={More} brief={brief} /> };
  };

export const heatmap = heatmapWith();

function Heatmap({ view, More, brief }: { view: View; More?: Part; brief: boolean }) {
  const { state } = view;
  const { requests } = state;
  const long = useComputed(() => (state.payload.value?.tokens.text.length ?? 0) > LONG);
  const drained = useComputed(() => requests.stale.value || state.failure.value !== null).value;
  const key = (event: KeyboardEvent) => {
    if (!viewKey(view, event)) return;
    event.preventDefault();
    event.stopPropagation();
  };
  // A pasted pile of combining marks would keep the browser's own text fields busy for minutes.
  const input = (event: InputEvent) => {
    if (piled(event.data ?? event.dataTransfer?.getData("text/plain") ?? "")) event.preventDefault();
  };
  const empty = useComputed(() => !state.payload.value).value;
  const merged = useComputed(() => state.compact && state.edited.value && !long.value).value;
  const context = useComputed(() => state.payload.value?.context);
  const propagation = useComputed(() => common.propagationOf(plain(context.value?.propagation ?? "")));
  const seed = useComputed(() => common.seedOf(context.value?.seed ?? 0));
  return (
    <div
      class="w"
      style={{ "min-height": empty ? `${state.height}px` : undefined }}
      onKeyDown={key}
      onBeforeInput={input}
    >
      <Edge view={view} />
      <Toolbar view={view} />
      <div class={drained ? "picture drained" : "picture"}>
        {!empty && (long.value ? <LongStrip view={view} /> : <Strip view={view} />)}
      </div>
      <Failed view={view} />
      {!empty && <Legend view={view} merged={merged} long={long.value} />}
      {!empty && (
        <div class={brief ? "" : "grid cols"}>
          <Features view={view} />
          {!brief && <NextToken view={view} />}
        </div>
      )}
      {!empty && More && <More view={view} />}
      {!empty && !brief && <Strongest view={view} />}
      {!brief && (
        <Foot view={view} editable>
          <span>{propagation}</span>
          <span>{seed}</span>
        </Foot>
      )}
      <Tooltip view={view} />
      <Help view={view} keys={words.keys} note={common.lettersInStrip} />
      <Announcer view={view} />
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
    const read = words.tokensRead(payload.tokens.text.length);
    return word ? `${read} ${words.mostLikelyNext(plain(word))}` : read;
  });
  return (
    <div class="hear" role="status" aria-live="polite">
      {result} {view.said}
    </div>
  );
}
