// The same graph as a table, for those who read rather than look.
import { useSignal } from "@preact/signals";
import { activation, probability, signed } from "../format";
import { plain } from "../signs";
import { added, gone } from "../words/circuit";
import * as words from "../words/circuitpanels";
import { type CircuitPayload, ERROR, FEATURE, GONE, labelOf, NEW, rowName, shareOf, wordAt } from "./kinds";
import type { CircuitView } from "./view";

const MOST = 200;

export function NodeTable({ view, payload }: { view: CircuitView; payload: CircuitPayload }) {
  const open = useSignal(false);
  return (
    <details
      class="nodetable"
      onToggle={(event) => {
        open.value = (event.currentTarget as HTMLDetailsElement).open;
      }}
    >
      <summary>{words.nodesAsTable}</summary>
      {open.value && <Rows view={view} payload={payload} />}
    </details>
  );
}

function Rows({ view, payload }: { view: CircuitView; payload: CircuitPayload }) {
  const { state } = view;
  const shown = state.visible.value;
  const side = state.sideNow();
  const links = state.links.value;
  const { kind, row, position, status } = payload.nodes;
  const all = [...kind.keys()].filter((n) => shown?.nodes[n] && (kind[n] as number) <= ERROR);
  all.sort((a, b) => (side.influence[b] ?? 0) - (side.influence[a] ?? 0));
  const strongest = (n: number): string => {
    let best = -1;
    for (const e of links?.out(n) ?? [])
      if (best < 0 || Math.abs(shareOf(payload, side, e)) > Math.abs(shareOf(payload, side, best))) best = e;
    if (best < 0) return "";
    const to = labelOf(payload, state.marks.value.names, payload.target[best] ?? 0);
    return `${to} ${signed(shareOf(payload, side, best), 2, true)}`;
  };
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{words.columnNode}</th>
          <th scope="col">{words.columnToken}</th>
          <th scope="col">{words.columnLayer}</th>
          <th scope="col" class="num">
            {words.columnInfluence}
          </th>
          <th scope="col" class="num">
            {words.columnActivation}
          </th>
          <th scope="col">{words.columnStrongest}</th>
          <th scope="col">{words.columnChange}</th>
        </tr>
      </thead>
      <tbody>
        {all.slice(0, MOST).map((n) => (
          <tr key={n} class={n === state.selected.value ? "on" : ""}>
            <td>
              <button type="button" class="link" onClick={() => view.take([n])}>
                {labelOf(payload, state.marks.value.names, n)}
              </button>
            </td>
            <td>
              {position[n]} {wordAt(payload, position[n] ?? 0)}
            </td>
            <td>{rowName(payload, row[n])}</td>
            <td class="num">{probability(side.influence[n] ?? 0)}</td>
            <td class="num">{kind[n] === FEATURE ? activation(side.activation[n] ?? 0) : ""}</td>
            <td>{plain(strongest(n), 80)}</td>
            <td>{payload.before ? (status[n] === NEW ? added : status[n] === GONE ? gone : "") : ""}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
