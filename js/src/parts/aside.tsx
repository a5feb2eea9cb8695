// Beside the examples: how strongly a feature fires, what it writes, and which features are near it.
import { useSignal } from "@preact/signals";
import { peakOf } from "../cells";
import { probability, signed } from "../format";
import { hue } from "../palette";
import type { FeatureDashboardPayload, RelatedFeature, Word } from "../payloads";
import { type Axis, logarithmic, tickLabel } from "../scale";
import { plain } from "../signs";
import type { DashboardView } from "../views/featuredashboard";
import * as common from "../words/common";
import * as words from "../words/dashboard";
import { Plot } from "./plot";
import { shown as word } from "./predictions";

interface Props {
  view: DashboardView;
  payload: FeatureDashboardPayload;
}

export function Aside({ view, payload }: Props) {
  const open = view.state.live.value || view.state.linked.value ? view.state.open : null;
  return (
    <div class="aside">
      {payload.histogram.counts.length > 0 && <Strength view={view} payload={payload} />}
      {payload.written_note ? (
        <section aria-label={common.whatItWrites}>
          <h3>{words.promotesSuppresses}</h3>
          <p class="sub">{plain(payload.written_note, 300)}</p>
        </section>
      ) : (
        <Written payload={payload} />
      )}
      <Related title={words.near} note={words.cosine} features={payload.near} open={open} />
      <Related title={words.together} note={words.jaccard} features={payload.together} open={open} />
      <Related title={words.alike} note={words.jaccard} features={payload.alike} open={open} named />
    </div>
  );
}

/** Axis of counts: from below 1, so that a single token is seen, to the most. */
export const countAxis = (most: number): Axis => {
  const high = Math.max(2, most * 1.3);
  const ticks: number[] = [];
  for (let tick = 1; tick <= high; tick *= 10) ticks.push(tick);
  const every = Math.ceil(ticks.length / 4);
  return { low: 0.7, high, log: true, ticks: ticks.filter((_, i) => i % every === 0) };
};

function Strength({ view, payload }: Props) {
  const cursor = useSignal<number | null>(null);
  const { counts } = payload.histogram;
  const edges = Array.from(payload.histogram.edges, (edge) => 10 ** edge);
  const n = counts.length;
  const low = edges[0] ?? 1;
  const high = edges[n] ?? 2;
  const x: Axis = { ...logarithmic(low, high, 6), low, high };
  const most = counts.reduce((a, b) => Math.max(a, b), 0);
  const describe = (bar: number) => words.barOf(edges[bar] ?? 0, edges[bar + 1] ?? 0, counts[bar] ?? 0);
  const values = payload.live?.features[0]?.values ?? [];
  const here = Math.abs(values[view.state.selection.value] ?? 0);
  // Where the token in view is silent, the greatest of the text.
  const shown = here || Math.abs(values[peakOf(values)] ?? 0);
  const at = cursor.value;
  return (
    <section aria-label={words.strength} class={hue(payload.slot)}>
      <h3>
        {words.strength}{" "}
        <span class="sub">
          ·{" "}
          {at !== null && at < n ? describe(at) : words.strengthNote(payload.n_active / Math.max(1, payload.n_tokens))}
        </span>
      </h3>
      <div class="strength">
        <Plot
          x={x}
          y={countAxis(most)}
          tickX={tickLabel}
          tickY={tickLabel}
          height={96}
          summary={words.strengthSummary(describe(counts.indexOf(most)))}
          points={n}
          cursor={cursor}
          describe={describe}
          find={(frame, px) => {
            const bar = edges.findIndex((edge) => frame.x(edge) > px) - 1;
            return bar === -2 ? n - 1 : Math.max(0, bar);
          }}
        >
          {(frame) => (
            <>
              {Array.from(counts, (value, i) => {
                const left = frame.x(edges[i] as number);
                const right = frame.x(edges[i + 1] as number);
                return (
                  <rect
                    key={i}
                    class={at === i ? "bar here" : "bar"}
                    x={left + 0.5}
                    width={Math.max(1, right - left - 1)}
                    y={value > 0 ? frame.y(value) : frame.height}
                    height={value > 0 ? Math.max(1, frame.height - frame.y(value)) : 0}
                  />
                );
              })}
              {shown >= low && (
                <Here
                  x={Math.min(frame.x(shown), frame.width)}
                  text={here ? words.here(shown) : words.max(shown)}
                  bottom={frame.height}
                />
              )}
            </>
          )}
        </Plot>
      </div>
    </section>
  );
}

/** The line at the value of the token in view. */
function Here({ x, text, bottom }: { x: number; text: string; bottom: number }) {
  const left = x > 90;
  return (
    <g>
      <line class="here-line" x1={x} x2={x} y1={0} y2={bottom} />
      <text class="here-word" x={left ? x - 5 : x + 5} y={8} text-anchor={left ? "end" : "start"}>
        {text}
      </text>
    </g>
  );
}

function Written({ payload: { promoted, suppressed, skew, kurtosis } }: { payload: FeatureDashboardPayload }) {
  if (promoted.length === 0 && suppressed.length === 0) return null;
  const most = Math.max(1e-9, ...[...promoted, ...suppressed].map(({ value }) => Math.abs(value)));
  const shape = skew !== null && kurtosis !== null ? words.shape(skew, kurtosis) : "";
  return (
    <section aria-label={common.whatItWrites}>
      <div class="two">
        <Side title={words.promotes} tokens={promoted} most={most} />
        <Side title={words.suppresses} tokens={suppressed} most={most} />
      </div>
      <p class="sub how">
        {words.throughUnembedding}
        {shape}
      </p>
    </section>
  );
}

function Side({ title, tokens, most }: { title: string; tokens: Word[]; most: number }) {
  return (
    <div>
      <h3>{title}</h3>
      <div class="ls">
        {tokens.map(({ text, value }, i) => (
          <div class="lsrow" key={i}>
            <span class="tk clip">{word(text)}</span>
            <span class="hb" aria-hidden="true">
              <i class={value > 0 ? "raises" : "lowers"} style={{ width: `${(100 * Math.abs(value)) / most}%` }} />
            </span>
            <span class="num i2">{signed(value, 1, true)}</span>
          </div>
        ))}
      </div>
    </div>
  );
}

interface RelatedProps {
  title: string;
  note: string;
  features: RelatedFeature[];
  open: ((id: string) => void) | null;
  /** Ids are said even where there is a label. */
  named?: boolean;
}

function Related({ title, note, features, open, named = false }: RelatedProps) {
  if (features.length === 0) return null;
  return (
    <section aria-label={title}>
      <h3>
        {title} <span class="sub">· {note}</span>
      </h3>
      <div class="ls">
        {features.map(({ id, label, value }) => (
          <button
            key={id}
            type="button"
            class="lsrow"
            disabled={!open}
            title={open ? words.open(plain(id, 80)) : plain(id, 80)}
            onClick={() => open?.(id)}
          >
            <span class={label ? "clip" : "id clip"}>
              {label ? plain(label, 80) : plain(id, 60)}
              {label && named && <span class="id"> {plain(id, 60)}</span>}
            </span>
            <span class="hb" aria-hidden="true">
              <i style={{ width: `${100 * Math.min(1, Math.max(0, value))}%` }} />
            </span>
            <span class="num i2">{probability(value)}</span>
          </button>
        ))}
      </div>
    </section>
  );
}
