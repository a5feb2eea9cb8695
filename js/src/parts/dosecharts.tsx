// What each strength does: effect, KL from the base, perplexity, and what is bought with how much; controls as a band.
import type { Signal } from "@preact/signals";
import { chance, significant } from "../format";
import { hue } from "../palette";
import type { Doses, SteeringPayload } from "../payloads";
import { type Axis, linear, logarithmic, nearest, range, tickLabel } from "../scale";
import { plain } from "../signs";
import { disabledReason } from "../view";
import type { SteeringView } from "../views/steering";
import * as common from "../words/common";
import * as words from "../words/steering";
import { Choose } from "./choose";
import { type Frame, Plot } from "./plot";
import { strength } from "./steers";

type Values = Doses["effect"];
type Point = readonly [number, number];

const HEIGHT = 110;
const PROPAGATIONS = [
  { value: "free", label: common.free },
  { value: "frozen_attention", label: words.attentionToPromptFrozen },
  { value: "direct", label: words.directAlongBase },
];

interface Props {
  view: SteeringView;
  payload: SteeringPayload;
}

/** Smallest and greatest of the controls at a strength. */
export function band({ data, rows, columns }: Values, k: number): [number, number] | null {
  return range(Array.from({ length: rows - 1 }, (_, r) => data[(r + 1) * columns + k] as number));
}

/** Mean of some rows at a strength. */
function mean({ data, columns }: Values, from: number, to: number, k: number): number {
  let sum = 0;
  for (let r = from; r < to; r++) sum += data[r * columns + k] as number;
  return sum / (to - from);
}

const axisOf = ({ data }: Values, log = false): Axis => {
  const found = range(data, log);
  if (log) return logarithmic((found?.[0] ?? 1) / 1.05, (found?.[1] ?? 10) * 1.05, 4);
  return linear(Math.min(0, found?.[0] ?? 0), found && found[1] > 0 ? found[1] : 1, 4);
};

const path = (points: readonly Point[], frame: Frame): string =>
  points.map(([x, y], i) => `${i ? "L" : "M"}${frame.x(x).toFixed(1)} ${frame.y(y).toFixed(1)}`).join("");

export function DoseCharts({ view, payload }: Props) {
  const { state } = view;
  const { doses, verdict, sliders } = payload;
  const off = disabledReason(state);
  const moved = sliders.find(({ value, middle }) => value !== middle) ?? sliders[0];
  const target = (
    <label class="i2 target">
      {words.effectLabel}
      <input
        type="text"
        aria-label={words.wordsOfTheEffect}
        spellcheck={false}
        autocomplete="off"
        disabled={off !== ""}
        value={state.draft.value.target}
        onChange={(event) => state.want({ target: event.currentTarget.value })}
      />
    </label>
  );
  const travel = off ? (
    <span>
      {PROPAGATIONS.find(({ value }) => value === payload.propagation)?.label ?? plain(payload.propagation, 40)}
    </span>
  ) : (
    <Choose
      label={words.howItTravels}
      choices={PROPAGATIONS}
      value={state.draft.value.propagation}
      set={(propagation) => state.want({ propagation })}
    />
  );
  if (!doses || !moved)
    return sliders.length ? (
      <div class="legend">
        {travel}
        {target}
      </div>
    ) : null;
  const tint = hue(moved.slot);
  const features = doses.effect.rows - 1 - doses.n_directions;
  const one = { payload, doses, tint, cursor: state.cursor, middle: moved.middle };
  return (
    <section aria-label={words.doseAndResponse}>
      <div class="legend verdict">
        {verdict && <b class={verdict.startsWith(words.verdictNo) ? "q" : ""}>{plain(verdict)}</b>}
        <span class="sp" />
        {travel}
        {target}
      </div>
      <div class="four">
        <Against
          {...one}
          title={common.effect}
          note={words.probabilityPerToken}
          values={doses.effect}
          base={doses.base_effect}
          write={chance}
        />
        <Against
          {...one}
          title={words.klFromBase}
          note={words.natsPerToken}
          values={doses.kl}
          base={0}
          write={significant}
        />
        <Against
          {...one}
          title={words.perplexityHead}
          note={payload.propagation === "direct" ? words.ofBaseTextLog : words.uneditedModelLog}
          values={doses.perplexity}
          base={doses.base_perplexity}
          write={significant}
          log
        />
        <Bought {...one} />
      </div>
      <div class="legend marks">
        {doses.effect.rows > 1 && (
          <span>
            <span class="sw1 bandkey" />
            {features > 0
              ? words.controlBandOfBoth(doses.n_directions, features)
              : words.controlBand(doses.n_directions)}
          </span>
        )}
        <span>
          {words.measuredOn(
            doses.n_prompts,
            doses.n_texts < doses.n_planned
              ? words.textsOfPlanned(doses.n_texts, doses.n_planned)
              : words.texts(doses.n_texts),
            doses.n_tokens,
          )}
        </span>
      </div>
    </section>
  );
}

interface ChartProps {
  payload: SteeringPayload;
  doses: Doses;
  tint: string;
  cursor: Signal<number | null>;
  middle: number;
}

interface AgainstProps extends ChartProps {
  title: string;
  note: string;
  values: Values;
  base: number;
  write: (value: number) => string;
  log?: boolean;
}

/** A number against the strength. */
function Against({
  payload,
  doses,
  tint,
  cursor,
  middle,
  title,
  note,
  values,
  base,
  write,
  log = false,
}: AgainstProps) {
  const { strengths } = doses;
  const n = strengths.length;
  const here = nearest(strengths, payload.now);
  const at = cursor.value === null || cursor.value >= n ? here : cursor.value;
  const x = linear(strengths[0] as number, strengths[n - 1] as number, 4, true);
  const own = Array.from(strengths, (s, k): Point => [s, values.data[k] as number]);
  const bands = Array.from(strengths, (_, k) => band(values, k));
  const describe = (k: number) => {
    const [low, high] = bands[k] ?? [Number.NaN, Number.NaN];
    const controls = Number.isFinite(low) ? words.controlsBetween(write(low), write(high)) : "";
    return `${strength(payload.mode, strengths[k] as number)}: ${write(own[k]?.[1] ?? 0)}${controls}`;
  };
  const edge = (end: 0 | 1) => bands.flatMap((pair, k): Point[] => (pair ? [[strengths[k] as number, pair[end]]] : []));
  return (
    <div class="chart">
      <div class="charthead">
        <h3>
          {title} <span class="sub">{note}</span>
        </h3>
      </div>
      <Plot
        x={x}
        y={axisOf(values, log)}
        tickX={tickLabel}
        tickY={tickLabel}
        height={HEIGHT}
        summary={words.againstStrength(title, write(base))}
        points={n}
        cursor={cursor}
        describe={describe}
        find={(frame, px) =>
          nearest(strengths, x.low + ((px - frame.x(x.low)) / (frame.x(x.high) - frame.x(x.low))) * (x.high - x.low))
        }
      >
        {(frame) => (
          <g class={tint}>
            {edge(0).length > 1 && <path class="band" d={`${path([...edge(1), ...edge(0).reverse()], frame)}Z`} />}
            {middle >= x.low && middle <= x.high && (
              <line class="mark" x1={frame.x(middle)} x2={frame.x(middle)} y1={8} y2={frame.height} />
            )}
            <path class="curve own" d={path(own, frame)} />
            {own.map(([s, v], k) =>
              k === at ? null : <circle key={s} class="own" cx={frame.x(s)} cy={frame.y(v)} r={3} />,
            )}
            <circle class="dot" cx={frame.x(own[at]?.[0] ?? 0)} cy={frame.y(own[at]?.[1] ?? 0)} r={5} />
          </g>
        )}
      </Plot>
      <p class="sub reads">{describe(at)}</p>
    </div>
  );
}

/** From the base outwards, on the side on which the slider stands. */
export function side({ strengths }: Doses, now: number, middle: number): number[] {
  const all = Array.from(strengths.keys());
  return now >= middle
    ? all.filter((k) => (strengths[k] as number) >= middle)
    : all.filter((k) => (strengths[k] as number) <= middle).reverse();
}

/** Effect against KL: top left is better. */
function Bought({ payload, doses, tint, cursor, middle }: ChartProps) {
  const { effect, kl, n_directions, strengths } = doses;
  const picks = side(doses, payload.now, middle);
  const line = (from: number, to: number): Point[] =>
    to > from
      ? [[0, doses.base_effect], ...picks.map((k): Point => [mean(kl, from, to, k), mean(effect, from, to, k)])]
      : [];
  const own = line(0, 1);
  const lines = [
    { name: words.randomDirection, points: line(1, 1 + n_directions), style: "l2" },
    { name: words.randomFeature, points: line(1 + n_directions, effect.rows), style: "l1" },
  ].filter(({ points }) => points.length);
  const here = Math.max(0, picks.indexOf(nearest(strengths, payload.now))) + 1;
  const at = own[Math.min(here, own.length - 1)] ?? [0, 0];
  const most = Math.max(1e-9, ...own.map(([x]) => x), ...lines.flatMap(({ points }) => points.map(([x]) => x)));
  const y = axisOf(effect);
  return (
    <div class="chart">
      <div class="charthead">
        <h3>
          {words.boughtWith} <span class="sub">{words.effectAgainstKl}</span>
        </h3>
      </div>
      <Plot
        x={linear(0, most, 4, true)}
        y={y}
        tickX={tickLabel}
        tickY={tickLabel}
        height={HEIGHT}
        summary={words.topLeftIsBetter}
        points={strengths.length}
        cursor={cursor}
        describe={(k) => words.effectForNats(chance(effect.data[k] as number), significant(kl.data[k] as number))}
        find={(frame, px) => {
          const gaps = Array.from(strengths, (_, k) => Math.abs(frame.x(kl.data[k] as number) - px));
          return gaps.indexOf(Math.min(...gaps));
        }}
      >
        {(frame) => (
          <g class={tint}>
            {lines.map(({ name, points, style }) => (
              <path key={name} class={`curve ${style}`} d={path(points, frame)} />
            ))}
            <path class="curve own" d={path(own, frame)} />
            <circle class="dot" cx={frame.x(at[0])} cy={frame.y(at[1])} r={5} />
          </g>
        )}
      </Plot>
      <p class="sub reads">
        {lines.map(({ name, style }) => (
          <span key={name} class="with-mark">
            <svg aria-hidden="true" class="dash" width="16" height="8">
              <path class={`curve ${style}`} d="M0 4h16" />
            </svg>
            {name}{" "}
          </span>
        ))}
      </p>
    </div>
  );
}
