// The payload of a circuit graph.
import { type Kind, PayloadError, rowsOf } from "../decode";
import type { CircuitPayload } from "../payloads";
import { CIRCUIT_PAYLOAD } from "../records";
import * as said from "../words/circuit";

function checkCircuit({
  nodes,
  now,
  before,
  source,
  target,
  columns,
  widths,
  rows,
  effect,
  words,
}: CircuitPayload): void {
  const n = nodes.id.length;
  for (const values of [nodes.kind, nodes.row, nodes.position, nodes.slot, nodes.label, nodes.density, nodes.status])
    rowsOf("nodes", values, n);
  rowsOf("target", target, source.length);
  rowsOf("widths", widths, columns.length);
  for (const side of [now, before]) {
    if (!side) continue;
    const { edge, ...own } = side;
    rowsOf("edge", edge, source.length);
    for (const values of Object.values(own)) rowsOf("side", values, n);
  }
  for (const ends of [source, target])
    for (const end of ends) if (end >= n) throw new PayloadError(said.edgeNamesNoNode);
  for (let i = 0; i < n; i++) {
    const [row, position] = [nodes.row[i] as number, nodes.position[i] as number];
    if (row >= rows.length || position >= columns.length) throw new PayloadError(said.nodeOutside);
  }
  for (const mode of effect?.modes ?? [])
    for (const values of [mode.predicted, mode.measured, mode.low, mode.high, mode.direction_low, mode.direction_high])
      rowsOf(mode.mode, values, effect?.rows.length ?? 0);
  for (const values of [words.before, words.after, words.low, words.high]) rowsOf("words", values, words.word.length);
}

export const CIRCUIT: Kind<CircuitPayload> = { name: "circuit", fields: CIRCUIT_PAYLOAD, check: checkCircuit };
