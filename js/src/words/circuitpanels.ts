// Words of the panels of a circuit graph: connections of a node, the pinned part, effects, the table.
import { change, probability } from "../format";
import { plural } from "./common";

export const nodes = (n: number): string => plural(n, "node");
export const randomCircuits = (n: number): string => plural(n, "random circuit");

// The connections of the node in hand.
export const connections = "Connections";
export const clickNode = "Click a node to see what flows into it and out of it.";
export const notInGraph = "It is not in this graph; choose “before” to see it.";
export const nodeName = "Name of this node";
export const into = "Into it";
export const outOf = "Out of it";
export const shareOfInput = (share: string): string => `· share of its input, ${share} here`;
export const shareReceived = "· share of what each receives";
export const fewer = "fewer";
export const more = (n: number): string => `${n} more`;

// What can be done with it, and with those chosen beside it.
const several = (n: number): string => (n > 1 ? ` ${n}` : "");
export const pin = (n: number): string => `Pin${several(n)}`;
export const unpin = "Unpin";
export const group = (n: number): string => `Group${several(n)}`;
export const ungroup = "Ungroup";
export const ablate = (n: number): string => `Ablate${several(n)}`;
export const bringBack = "Bring back";
export const ablateGroup = "Ablate group";
export const targetHasNoEffect = "A target has no effect on anything.";
export const ablatingNeedsModel = "Ablating needs a live model.";
export const groupName = "Name of the group";
export const ok = "OK";

// The pinned part.
export const pinned = "Pinned";
export const pinnedInGroups = "Pinned, in groups";
export const nothingPinned = "Nothing is pinned. Select a node and press Space.";
export const pinnedParts = (n: number): string => plural(n, "pinned part");
export const flow = (from: string, to: string, share: number): string =>
  `${from} to ${to}: ${change(share)} of its input`;
export const tokenAt = (position: number): string => `token ${position}`;
export const ablated = " · ablated";
export const gone = " · gone";

// What the pinned part carries, and proposals of groups.
interface Worth {
  faithfulness: number;
  completeness: number;
  n: number;
  low: number;
  high: number;
}
export const carries = ({ faithfulness, completeness, n, low, high }: Worth): string =>
  `· it carries ${probability(faithfulness)} of the effect, what is left out carries ${probability(completeness)}; ` +
  `${randomCircuits(n)} of like size ${probability(low)} to ${probability(high)}`;
export const measureWorth = "measure what it carries";
export const proposeGroups = "propose groups";
export const noProposal = "none that holds together";
export const proposal = (label: string, n: number, stability: number): string =>
  `${label}: ${nodes(n)}, stability ${probability(stability)}`;

// What an ablation did.
export const predictedMeasured = "Predicted and measured";
export const notMeasured = "The effect of this edit was not measured.";
export const ablateToCompare = "Ablate a node or a group: what the graph predicts stands beside what the model does.";
export const ablatedNode = "Ablate {key} {label}";
export const bringItBack = "bring it back";
export const howItSpreads = "How the effect spreads";
export const changes = (mode: string, rows: string): string => `Predicted and measured change, ${mode}: ${rows}`;
export const changeOf = (name: string, predicted: number, measured: number): string =>
  `${name} ${change(predicted)} and ${change(measured)}`;
export const changeAxis = "change";
export const predictedSign = "○ predicted by the graph";
export const measuredSign = "● measured";
export const control = (what: string, seed: number): string => `control: ${what}, seed ${seed}`;
export const conditions = (error: string): string => `1 prompt · error term ${error}`;
export const barsOfWords = "· bar: with the edit, tick: before, grey: control";

// The table of nodes.
export const nodesAsTable = "Nodes as a table";
export const columnNode = "node";
export const columnToken = "token";
export const columnLayer = "layer";
export const columnInfluence = "influence";
export const columnActivation = "activation";
export const columnStrongest = "strongest edge";
export const columnChange = "change";
