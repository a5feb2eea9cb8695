// Next-token predictions after the selected token: bar after, tick before, grey band control, KL with its controls.
import type { ReadonlySignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { fill } from "../fill";
import { change, interval, probability } from "../format";
import type { HeatmapPayload } from "../payloads";
import type { Requests } from "../requests";
import { asText, draw, plain } from "../signs";
import * as common from "../words/common";
import * as words from "../words/heatmap";

/** What predictions are drawn from: a heatmap, or the text in a dashboard's box. */
export interface Predicting {
  payload: ReadonlySignal<HeatmapPayload | null>;
  selection: ReadonlySignal<number>;
  live: ReadonlySignal<boolean>;
  requests: Requests;
}

const MOST = 6;
/** Share of the row that the greatest probability takes. */
const FULL = 92;
// Half of the last decimal that a probability is written with.
const UNSEEN = 0.005;

/** Row of the predictions after a token, -1 when the payload has none. */
export function rowOf(positions: Uint32Array, token: number): number {
  let low = 0;
  let high = positions.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const at = positions[middle] as number;
    if (at === token) return middle;
    if (at < token) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** A token by itself, as a name for it. */
export const shown = (text: string): string => plain(asText(draw(text, 0)), 40);

/** Asks for predictions that a long prompt's payload does not carry. */
function useMissing(state: Predicting, missing: boolean): void {
  const token = state.selection.value;
  useEffect(() => {
    if (!missing || !state.live.value) return;
    const timer = setTimeout(() => state.requests.positions([token]), 150);
    return () => clearTimeout(timer);
  }, [missing, token]);
}

export interface PredictionRow {
  text: string;
  before: number;
  now: number;
  /** Least and greatest under the control, where there is one. */
  control: readonly [number, number] | null;
}

/** Tokens with their probabilities: bar now, tick before, grey band control. */
export function PredictionRows({ rows, edited }: { rows: readonly PredictionRow[]; edited: boolean }) {
  const most = Math.max(1e-9, ...rows.flatMap(({ before, now, control }) => [before, now, control?.[1] ?? 0]));
  const x = (p: number) => `${Math.min(100, Math.max(0, (FULL * p) / most))}%`;
  return (
    <div class="pr">
      {rows.map(({ text, before, now, control }, k) => {
        const inside = control !== null && now >= control[0] && now <= control[1];
        // What is written as 0.00 has no direction.
        const sign = Math.abs(now - before) < UNSEEN ? "q" : now > before ? "up" : "down";
        return (
          <div class={edited ? "prow" : "prow one"} key={k}>
            <div class="tk clip">{shown(text)}</div>
            <div class="pb" aria-hidden="true">
              {control && (
                <u
                  class="bd"
                  style={{ left: x(control[0]), width: x(Math.max(most * 0.012, control[1] - control[0])) }}
                />
              )}
              <u class="bar" style={{ width: x(now) }} />
              {edited && <s style={{ left: x(before) }} />}
            </div>
            {edited && <div class="num q">{probability(before)}</div>}
            <div class={inside ? "num q" : "num b"}>{probability(now)}</div>
            {edited && <div class={inside ? "num q" : `num ${sign}`}>{change(now - before)}</div>}
          </div>
        );
      })}
    </div>
  );
}

export function NextToken({ view, few = MOST }: { view: { state: Predicting }; few?: number }) {
  const { state } = view;
  const payload = state.payload.value;
  const token = state.selection.value;
  const row = payload ? rowOf(payload.predictions.positions, token) : -1;
  useMissing(state, payload !== null && payload.tokens.text.length > 0 && row < 0);
  if (!payload || payload.tokens.text.length === 0) return null;
  const { predictions, control } = payload;
  const head = (
    <h3>
      {fill(common.nextTokenAfter, { token: <span class="tk">{shown(payload.tokens.text[token] ?? "")}</span> })}{" "}
      {predictions.after && <span class="sub">· {words.barAfterTickBefore}</span>}
    </h3>
  );
  if (row < 0) {
    return (
      <section aria-label={common.nextToken}>
        {head}
        <p class="sub">{state.live.value ? common.reading : words.noPredictions}</p>
      </section>
    );
  }
  const start = row * predictions.token.columns;
  const at = (matrix: { data: Float32Array } | null | undefined, k: number): number => matrix?.data[start + k] ?? 0;
  const after = predictions.after ?? predictions.before;
  const rows = Array.from({ length: Math.min(few, predictions.token.columns) }, (_, k) => k);
  return (
    <section aria-label={common.nextToken}>
      {head}
      <PredictionRows
        edited={predictions.after !== null}
        rows={rows.map((k) => ({
          text: predictions.vocabulary[predictions.token.data[start + k] ?? 0] ?? "",
          before: at(predictions.before, k),
          now: at(after, k),
          control: control && [at(control.low, k), at(control.high, k)],
        }))}
      />
      <Divergence view={view} row={row} />
    </section>
  );
}

/** KL of base from edited, beside what random features and random directions do. */
function Divergence({ view, row }: { view: { state: Predicting }; row: number }) {
  const payload = view.state.payload.value;
  const kl = payload?.predictions.kl?.[row];
  if (!payload || kl === undefined) return null;
  const { control } = payload;
  const range = (matrix: { data: Float32Array }) => interval(matrix.data[2 * row] ?? 0, matrix.data[2 * row + 1] ?? 0);
  return (
    <>
      {control && (
        <div class="legend">
          <span>
            <span class="sw1">
              <i class="band" />
            </span>
            {words.controlSameEdit(control.n)}
          </span>
        </div>
      )}
      <div class="kl">
        <span>
          <b>{probability(kl)}</b> <span class="sub">{common.natsKl}</span>
        </span>
        {control ? (
          <span class="sub">{words.controlRanges(range(control.kl_features), range(control.kl_directions))}</span>
        ) : (
          <span class="sub">{view.state.requests.busy.value ? common.controlReading : ""}</span>
        )}
      </div>
    </>
  );
}
