// What an ablation did: predicted by the graph beside measured in the model, with the band of the control; next tokens.
import { change, plural, probability } from "../format";
import { Key } from "../parts/key";
import { Segments } from "../parts/segments";
import { linear, tickLabel } from "../scale";
import { plain } from "../signs";
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
      <section aria-label="Effect">
        <h3>Predicted and measured</h3>
        <p class="em">
          {state.edits.value.length > 0 || payload.edits
            ? "The effect of this edit was not measured."
            : "Ablate a node or a group: what the graph predicts stands beside what the model does."}
        </p>
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
    <section aria-label="Effect">
      <h3 class="effecthead">
        Ablate {slot !== undefined && <Key feature={{ slot }} hollow />} {plain(effect.label, 60)}
        {state.live.value && state.edits.value.length > 0 && (
          <button type="button" class="link" onClick={() => state.clear()}>
            bring it back
          </button>
        )}
      </h3>
      <Segments
        label="How the effect spreads"
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
        aria-label={`Predicted and measured change, ${mode.mode}: ${effect.names
          .map((name, i) => `${plain(name, 40)} ${change(mode.predicted[i] ?? 0)} and ${change(mode.measured[i] ?? 0)}`)
          .join("; ")}`}
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
          change
        </text>
        {axis.ticks.map((tick) => (
          <text key={tick} x={x(tick)} y={TOP + height + 16} text-anchor="middle">
            {tick > 0 ? "+" : ""}
            {tickLabel(tick)}
          </text>
        ))}
      </svg>
      <div class="legend">
        <span>○ predicted by the graph</span>
        <span>● measured</span>
        <span>
          <span class="sw1">
            <i class="band" />
          </span>
          control: {plain(effect.control || plural(effect.n, "random circuit"), 120)}, seed {effect.seed}
        </span>
        <span>1 prompt · error term {plain(effect.error, 20)}</span>
      </div>
    </section>
  );
}

const FEW = 5;

/** Next tokens: bar now, tick before. */
export function NextWords({ payload }: { payload: CircuitPayload }) {
  const { words } = payload;
  if (words.word.length === 0) return null;
  const shown = words.word.slice(0, FEW);
  return (
    <section aria-label="Next token" class="nextwords">
      <h3>Next token {words.after && <span class="sub">· bar: with the edit, tick: before, grey: control</span>}</h3>
      {shown.map((word, k) => {
        const before = words.before[k] ?? 0;
        const after = words.after ? (words.after[k] ?? 0) : before;
        return (
          <div class="nw" key={k}>
            <span class="tk clip">{plain(word.trim() || word, 24)}</span>
            <span class="hb" aria-hidden="true">
              {words.low && words.high && (
                <i
                  class="band"
                  style={{
                    left: `${92 * (words.low[k] ?? 0)}%`,
                    width: `${92 * ((words.high[k] ?? 0) - (words.low[k] ?? 0))}%`,
                  }}
                />
              )}
              <i class="ink" style={{ left: "0", width: `${92 * after}%` }} />
              {words.after && <i class="tick" style={{ left: `${92 * before}%` }} />}
            </span>
            <span class="num i2">
              {words.after ? `${probability(before)} → ${probability(after)}` : probability(before)}
            </span>
          </div>
        );
      })}
    </section>
  );
}
