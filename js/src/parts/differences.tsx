// What differs at the selected pair of tokens: next tokens and KL both ways, then features. Tick: A, bar: B.
import { fill } from "../fill";
import { activation, interval, probability } from "../format";
import type { ComparePayload } from "../payloads";
import { plain } from "../signs";
import type { CompareView } from "../views/compare";
import * as common from "../words/common";
import * as words from "../words/compare";
import { PredictionRows, rowOf, shown } from "./predictions";

interface Props {
  view: CompareView;
  payload: ComparePayload;
}

export function Differences({ view, payload }: Props) {
  const { halves, pair } = view.state;
  const at = pair.value;
  const texts = [payload.left_token, payload.right_token].map((tokens, side) => {
    const text = halves.value[side]?.state.payload.value?.tokens.text[tokens[at] ?? 0] ?? "";
    return <span class="tk">{shown(text)}</span>;
  });
  const after = texts.length && payload.same[at] ? texts[0] : [texts[0], " | ", texts[1]];
  return (
    <>
      <div class="sides">
        <section aria-label={common.nextToken}>
          <h3>
            {fill(common.nextTokenAfter, { token: after })} <span class="sub">{words.tickAndBar}</span>
          </h3>
          <Next payload={payload} at={at} busy={view.state.requests.busy.value} />
        </section>
        <section aria-label={words.featuresThatDiffer}>
          <h3>
            {words.features} <span class="sub">{words.tickBarActivation}</span>
          </h3>
          <Features view={view} payload={payload} at={at} />
        </section>
      </div>
      {payload.note && <p class="sub note">{plain(payload.note, 600)}</p>}
    </>
  );
}

function Next({ payload, at, busy }: { payload: ComparePayload; at: number; busy: boolean }) {
  const { predictions, control, controlled, kl_back } = payload;
  const row = predictions ? rowOf(predictions.positions, at) : -1;
  if (!predictions || row < 0) return <p class="sub">{busy ? common.reading : words.noPredictions}</p>;
  const { token, before, vocabulary } = predictions;
  const value = (matrix: { data: Float32Array } | null, k: number) => matrix?.data[row * token.columns + k] ?? 0;
  const range = (matrix: { data: Float32Array }) => interval(matrix.data[2 * row] ?? 0, matrix.data[2 * row + 1] ?? 0);
  const kl = (on: boolean, n: number | undefined, text: string) => (
    <span>
      {on ? <b>{probability(n ?? 0)}</b> : probability(n ?? 0)} <span class="sub">{text}</span>
    </span>
  );
  return (
    <>
      <PredictionRows
        edited
        rows={Array.from({ length: Math.min(6, token.columns) }, (_, k) => ({
          text: vocabulary[token.data[row * token.columns + k] ?? 0] ?? "",
          before: value(before, k),
          now: value(predictions.after, k),
          control: control && controlled === 1 ? ([value(control.low, k), value(control.high, k)] as const) : null,
        }))}
      />
      <div class="kl">
        {kl(controlled !== 0, predictions.kl?.[row], words.klAToB)}
        {kl(controlled !== 1, kl_back?.[row], words.klBToA)}
      </div>
      {control && (
        <div class="sub">
          {words.controlOf(
            controlled ? "B" : "A",
            common.randomFeatures(control.n),
            range(control.kl_features),
            range(control.kl_directions),
            controlled ? words.controlAToB : words.controlBToA,
          )}
        </div>
      )}
    </>
  );
}

function Features({ view, payload, at }: Props & { at: number }) {
  const { indptr, left, right, a, b, cosine } = payload.features;
  const [start, end] = [indptr[at] ?? 0, indptr[at + 1] ?? 0];
  if (start >= end) {
    const why = payload.match === "none" ? words.twoDictionaries : words.noFeatureDiffers;
    return <p class="sub">{why}</p>;
  }
  const labels = new Map(payload.labels.map(({ id, label }) => [id, label]));
  const rows = Array.from({ length: end - start }, (_, i) => start + i);
  const most = Math.max(1e-9, ...rows.flatMap((i) => [a[i] ?? 0, b[i] ?? 0]));
  const x = (value: number) => `${Math.min(100, Math.max(0, (92 * value) / most))}%`;
  return (
    <div class="tf">
      {rows.map((i) => {
        const [one, other] = [`${payload.site_a}/${left[i]}`, `${payload.site_b}/${right[i]}`];
        const [was, now] = [a[i] ?? 0, b[i] ?? 0];
        const name = plain(labels.get(one) || labels.get(other) || "", 60);
        const add = () => {
          for (const [side, { state }] of view.state.halves.value.entries()) state.addFeatures([side ? other : one]);
        };
        return (
          <div class="tfr" key={i}>
            <div class="who">
              <button
                type="button"
                class="plus"
                aria-label={words.add(name || one)}
                title={common.addLane}
                onClick={add}
              >
                +
              </button>
              <span class="clip" title={name}>
                {name}
              </span>{" "}
              <span class="id">{left[i]}</span>
              {payload.match === "cosine" && (
                <span class="id">
                  {" "}
                  ≈ {right[i]} <span class="sub">{words.cosine(probability(cosine[i] ?? 0))}</span>
                </span>
              )}
            </div>
            <div class="hb" aria-hidden="true">
              <i style={{ width: x(now) }} />
              <i class="tick" style={{ left: x(was) }} />
            </div>
            <div class="num">
              <span class="q">{activation(was)} →</span> <b>{activation(now)}</b>
            </div>
          </div>
        );
      })}
    </div>
  );
}
