// What an ablation did: predicted by the graph beside measured in the model, with the band of the control; next tokens.
import { fill } from "../fill";
import { probability } from "../format";
import { Key } from "../parts/key";
import { Segments } from "../parts/segments";
import { linear, tickLabel } from "../scale";
import { plain } from "../signs";
import * as words from "../words/circuitpanels";
import * as common from "../words/common";
import type { CircuitPayload } from "./kinds";
import { labelOf } from "./kinds";
import type { CircuitView } from "./view";

const ROW = 26;
const LEFT = 150;
const WIDTH = 430;
const TOP = 8;

interface Props {
  view: CircuitView;
  payload: CircuitPayload;
}

export function Effect({ view, payload }: Props) {
  const { state } = view;
  const { effect } = payload;
  if (!effect) {
    return (
      <section aria-label={common.effect}>
        <h3>{words.predictedMeasured}</h3>
        <p class="em">{state.edits.value.length > 0 || payload.edits ? words.notMeasured : words.ablateToCompare}</p>
      </section>
    );
  }
  const mode = effect.modes.find((one) => one.mode === state.mode.value) ?? effect.modes.at(-1);
  if (!mode) return null;
  const values = [
    ...mode.predicted,
    ...mode.measured,
    ...mode.low,
    ...mode.high,
    ...mode.direction_low,
    ...mode.direction_high,
    0,
  ];
  const axis = linear(Math.min(...values), Math.max(...values), 5);
  const x = (value: number) => LEFT + ((value - axis.low) / (axis.high - axis.low)) * (WIDTH - LEFT - 12);
  const height = effect.rows.length * ROW;
  const first = effect.nodes.map((id) => state.number.value.get(id) ?? -1).find((n) => state.slots.value.has(n));
  const slot = first === undefined ? undefined : state.slots.value.get(first);
  return (
    <section aria-label={common.effect}>
      <h3 class="effecthead">
        {fill(words.ablatedNode, {
          key: slot !== undefined && <Key feature={{ slot }} hollow />,
          label: plain(effect.label, 60),
        })}
        {state.live.value && state.edits.value.length > 0 && (
          <button type="button" class="link" onClick={() => state.clear()}>
            {words.bringItBack}
          </button>
        )}
      </h3>
      <Segments
        label={words.howItSpreads}
        choices={effect.modes.map(({ mode: value }) => ({ value, label: value }))}
        value={mode.mode}
        set={(value) => {
          state.mode.value = value;
        }}
      />
      <svg
        class="dots-plot"
        viewBox={`0 0 ${WIDTH} ${height + 34}`}
        width="100%"
        role="img"
        aria-label={words.changes(
          mode.mode,
          effect.names
            .map((name, i) => words.changeOf(plain(name, 40), mode.predicted[i] ?? 0, mode.measured[i] ?? 0))
            .join("; "),
        )}
      >
        {effect.rows.map((id, i) => {
          const y = TOP + i * ROW + ROW / 2;
          const n = state.number.value.get(id) ?? -1;
          const own = state.slots.value.get(n);
          const [a, b] = [x(mode.predicted[i] ?? 0), x(mode.measured[i] ?? 0)];
          const inside =
            (mode.measured[i] ?? 0) >= (mode.low[i] ?? 0) && (mode.measured[i] ?? 0) <= (mode.high[i] ?? 0);
          const label = n >= 0 ? labelOf(payload, state.marks.value.names, n) : plain(effect.names[i] ?? "", 60);
          return (
            <g key={id} class={own === undefined ? "" : `f${own < 8 ? own : "x"}`}>
              <rect
                class="band"
                x={x(mode.low[i] ?? 0)}
                y={y - 9}
                width={Math.max(1, x(mode.high[i] ?? 0) - x(mode.low[i] ?? 0))}
                height={18}
              />
              <text class={inside ? "" : "ink"} x={own === undefined ? 0 : 22} y={y + 4}>
                {own !== undefined && <tspan class="letter">{String.fromCharCode(97 + (own % 26))} </tspan>}
                {label.length > 20 ? `${label.slice(0, 19)}…` : label}
              </text>
              <path
                class="whisker"
                d={`M${x(mode.direction_low[i] ?? 0)} ${y - 9}v18M${x(mode.direction_high[i] ?? 0)} ${y - 9}v18`}
              />
              <path class="ax" d={`M${a} ${y}H${b}`} />
              <circle class="predicted" cx={a} cy={y} r={4.5} />
              <circle class={inside ? "measured in" : "measured"} cx={b} cy={y} r={4.5} />
            </g>
          );
        })}
        <path class="ax" d={`M${x(0)} ${TOP}V${TOP + height}M${LEFT} ${TOP + height}H${WIDTH - 4}`} />
        <text x={0} y={TOP + height + 16}>
          {words.changeAxis}
        </text>
        {axis.ticks.map((tick) => (
          <text key={tick} x={x(tick)} y={TOP + height + 16} text-anchor="middle">
            {tick > 0 ? "+" : ""}
            {tickLabel(tick)}
          </text>
        ))}
      </svg>
      <div class="legend">
        <span>{words.predictedSign}</span>
        <span>{words.measuredSign}</span>
        <span>
          <span class="sw1">
            <i class="band" />
          </span>
          {words.control(plain(effect.control || words.randomCircuits(effect.n), 120), effect.seed)}
        </span>
        <span>{words.conditions(plain(effect.error, 20))}</span>
      </div>
    </section>
  );
}

const FEW = 5;

/** Next tokens: bar now, tick before. */
export function NextWords({ payload }: { payload: CircuitPayload }) {
  const { words: next } = payload;
  if (next.word.length === 0) return null;
  const shown = next.word.slice(0, FEW);
  return (
    <section aria-label={common.nextToken} class="nextwords">
      <h3>
        {common.nextToken} {next.after && <span class="sub">{words.barsOfWords}</span>}
      </h3>
      {shown.map((word, k) => {
        const before = next.before[k] ?? 0;
        const after = next.after ? (next.after[k] ?? 0) : before;
        return (
          <div class="nw" key={k}>
            <span class="tk clip">{plain(word.trim() || word, 24)}</span>
            <span class="hb" aria-hidden="true">
              {next.low && next.high && (
                <i
                  class="band"
                  style={{
                    left: `${92 * (next.low[k] ?? 0)}%`,
                    width: `${92 * ((next.high[k] ?? 0) - (next.low[k] ?? 0))}%`,
                  }}
                />
              )}
              <i class="ink" style={{ left: "0", width: `${92 * after}%` }} />
              {next.after && <i class="tick" style={{ left: `${92 * before}%` }} />}
            </span>
            <span class="num i2">
              {next.after ? `${probability(before)} → ${probability(after)}` : probability(before)}
            </span>
          </div>
        );
      })}
    </section>
  );
}
