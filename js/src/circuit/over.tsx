// What stands on the sheet of a circuit graph as real text.
import { probability } from "../format";
import { plain } from "../signs";
import { ERROR, GONE, LOGIT, labelOf, rowName, wordAt } from "./kinds";
import { leftOf, type Places } from "./layout";
import type { View } from "./paint";
import { detailOf } from "./told";
import type { CircuitView } from "./view";

interface DrawnAt {
  view: CircuitView;
  places: Places;
  at: View;
}

/** The column of the token that an explorer has selected. */
export function Here({ view, places, at }: DrawnAt) {
  const column = places.columns[view.state.token.value];
  if (!column) return null;
  const width = column.width * at.k;
  return <i class="here" style={{ left: `${column.x * at.k + at.x - width / 2}px`, width: `${width}px` }} />;
}

/** Where a node stands in the frame. */
const placeOf = (places: Places, n: number, { k, x, y }: View): [number, number] => [
  (places.x[n] ?? 0) * k + x,
  (places.y[n] ?? 0) * k + y,
];

/** Names of rows, tokens and targets: real text. */
export function Words({ view, places, at }: DrawnAt) {
  const { state } = view;
  const payload = state.payload.value;
  if (!payload) return null;
  const x = (value: number) => value * at.k + at.x;
  const y = (value: number) => value * at.k + at.y;
  const side = state.sideNow();
  const { kind, status } = payload.nodes;
  const targets = [...kind.keys()].filter((n) => kind[n] === LOGIT && (state.visible.value?.nodes[n] ?? 0));
  const changed = payload.tokens_before.length > 0 && state.side.value !== "before";
  const bottom = places.rows[0] ?? 0;
  const left = leftOf(payload);
  // Of many rows only some are named.
  const every = Math.ceil((13 * places.rows.length) / Math.max(1, (places.rows[0] ?? 0) * at.k));
  return (
    <svg class="words" width={places.width} height={places.height} aria-hidden="true">
      {places.rows.map((row, i) => (
        <g key={i}>
          <path
            class={i === 0 || i === places.rows.length - 1 ? "gr" : "gr dots"}
            d={`M${left} ${y(row)}H${places.width}`}
          />
          {(i % every === 0 || i === places.rows.length - 1) && (
            <text x={left - 8} y={y(row) + 4} text-anchor="end">
              {rowName(payload, i)}
            </text>
          )}
        </g>
      ))}
      {places.columns.map(({ x: middle, width }, t) => {
        const word = wordAt(payload, t, state.side.value);
        const other = changed && payload.tokens[t] !== payload.tokens_before[t];
        return (
          <g key={t}>
            <text class="tx" x={x(middle)} y={y(bottom) + 20} text-anchor="middle">
              {fitted(word, width * at.k)}
            </text>
            {other && <circle class="dot" cx={x(middle)} cy={y(bottom) + 5} r={2} />}
            {width * at.k > 14 && (
              <text class="small" x={x(middle)} y={y(bottom) + 34} text-anchor="middle">
                {t}
              </text>
            )}
          </g>
        );
      })}
      {targets.map((n) => {
        const p = side.probability[n] || side.weight[n] || 0;
        const gone = changed && status[n] === GONE;
        return (
          <text key={n} x={x(places.x[n] ?? 0)} y={y(places.y[n] ?? 0) - 9} text-anchor="middle">
            <tspan class={gone ? "tx gone" : "tx"}>
              {fitted(plain((payload.nodes.label[n] ?? "").trim(), 30), 110)}
            </tspan>{" "}
            <tspan class="p">{probability(p)}</tspan>
          </text>
        );
      })}
    </svg>
  );
}

/** As much of a word as there is room for. */
const fitted = (word: string, width: number): string => {
  const room = Math.floor(width / 7.4);
  return word.length <= Math.max(2, room) ? word : room < 3 ? word.slice(0, 1) : `${word.slice(0, room - 1)}…`;
};

/** The name of the node in hand beside it. */
export function Named({ view, places, at }: DrawnAt) {
  const { state } = view;
  const n = state.selected.value;
  const payload = state.payload.value;
  if (!payload || n < 0 || !state.visible.value?.nodes[n] || (payload.nodes.kind[n] as number) > ERROR) return null;
  const [x, y] = placeOf(places, n, at);
  const left = x > places.width / 2;
  return (
    <span
      class="name"
      aria-hidden="true"
      style={{ [left ? "right" : "left"]: `${(left ? places.width - x : x) + 12}px`, top: `${y - 26}px` }}
    >
      {labelOf(payload, state.marks.value.names, n)}
    </span>
  );
}

/** What is under the pointer. */
export function Tip({ view, places, at, n }: DrawnAt & { n: number }) {
  const { state } = view;
  const payload = state.payload.value;
  if (!payload || n < 0) return null;
  const [x, y] = placeOf(places, n, at);
  const left = Math.max(0, Math.min(x + 12, places.width - 250));
  const below = y < places.height / 2;
  return (
    <div
      class="pop tip"
      aria-hidden="true"
      style={{ left: `${left}px`, [below ? "top" : "bottom"]: `${below ? y + 14 : places.height - y + 14}px` }}
    >
      <div>{labelOf(payload, state.marks.value.names, n)}</div>
      <div class="sub">{detailOf(state, n)}</div>
    </div>
  );
}
