// Words of the circuit graph: its nodes, its bar, its picture, its foot. Those of the panels are in `circuitpanels`.
import { activation, count, percent, probability, significant } from "../format";
import { helpKeys, plural, undoRedo } from "./common";

const nodes = (n: number): string => plural(n, "node");
export const edges = (n: number): string => plural(n, "edge");
export const errors = (n: number): string => plural(n, "error");

// What a node is called, and what became of it.
export const logit = (word: string): string => `logit ${word}`;
/** For the box of a target, which has room for the word only. */
export const withoutLogit = (label: string): string => label.replace(/^logit /, "");
export const errorIn = (layer: string): string => `error, ${layer}`;
export const added = "new";
export const gone = "gone";

// Numbers of a node.
export const active = (value: number): string => `activation ${activation(value)}`;
export const influential = (value: number): string => `influence ${probability(value)}`;
export const activeAt = (share: number): string => `at ${percent(share)} of the tokens`;
export const was = (influence: number): string => `was ${probability(influence)}`;

// What the payload or a request cannot do.
export const edgeNamesNoNode = "An edge names no node.";
export const nodeOutside = "A node stands outside the graph.";
export const fileTooLarge = "This file has more than 8 MB.";
export const openInPython = "Open it in Python: view.open_graph(path).";
export const openAgain = "Open it again, or show view.dashboard in a cell.";
export const tracing = "Tracing the circuit …";

// The bar: how much is shown.
export const nodesHead = "Nodes";
export const nodesShare = "share of the influence on nodes";
export const edgesHead = "Edges";
export const edgesShare = "share of the influence through edges";
export const densityMost = "features active at more of the tokens are hidden";

// The bar: which of two graphs.
export const whichGraph = "Which graph";
export const now = "now";
export const before = "before";
export const both = "both";

// The bar: a node that is looked for.
export const findNode = "Find a node";
export const nodesFound = "Nodes found";
export const noNodeFound = "No node with these words.";

// The bar: buttons and the menu.
export const fullScreen = "Full screen";
export const fullScreenKey = "Full screen (f)";
export const graphFile = "Graph file";
export const openFile = "Open a graph file";
export const closeFile = "Close the graph file";
export const needsPython = "needs Python";

// The bar: what is done, or what is in view and what is left out.
export const working = "working";
export const showingOld = "showing what was before your last edit";
export const nodesOf = (share: number): string => ` · nodes of ${percent(share)} of the influence`;
export const ofStrongest = (n: number): string => ` of the ${count(n)} strongest`;
export const ofInfluence = (share: number): string => ` · ${percent(share)} of the influence`;

// The legend.
export const raises = "raises";
export const lowers = "lowers";
export const featureArea = "feature, area = influence";
export const error = "error";

// The picture, for those who hear it.
export const graph = "graph";
export const attributionGraph = "Attribution graph";
export const graphOf = (prompt: string): string => `Attribution graph of “${prompt}” by layer and token`;
export const nodesAndEdges = (n: number, e: number): string => `${nodes(n)}, ${edges(e)}`;
export const strongestPath = (labels: string): string => `strongest path ${labels}`;
export const pinned = (labels: string): string => `pinned ${labels}`;
export const under = (edits: string): string => `under ${edits}`;
export const howToWalk = "Arrow keys walk, question mark lists the keys.";
export const nowPinned = (n: number): string => `${nodes(n)} pinned.`;

// The foot, and the dashboard inside the view.
export const replacement = (value: number): string => `replacement ${probability(value)}`;
export const completeness = (value: number): string => `completeness ${probability(value)}`;
export const errorShare = (value: number): string => `error share ${probability(value)}`;
export const residual = (value: number): string => `additivity residual ${significant(value)}`;

// The help.
export const keys: readonly (readonly [string, string])[] = [
  ["← →", "the next node in the layer"],
  ["↑ ↓", "along the strongest edge, up or down"],
  ["Space", "pin, or let go"],
  ["Shift+Space", "choose one more"],
  ["g", "group what is chosen"],
  ["l", "name the node"],
  ["x", "ablate what is chosen, or bring it back"],
  ["Enter", "open the feature's dashboard"],
  ["/", "find a node"],
  ["+ − 0", "zoom; Ctrl and the wheel"],
  ["o", "now, before, both"],
  ["f", "full screen"],
  undoRedo,
  ["Esc", "let go"],
  helpKeys,
];
export const keysNote =
  "Letters act while the graph has focus. Drag to move, Ctrl and click to pin, Shift and click to choose several.";
