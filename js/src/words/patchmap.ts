// Words of the PatchMap.
import { helpKeys, plural, undoText } from "./common";

export const keys: readonly (readonly [string, string])[] = [
  ["← → ↑ ↓", "go to a cell and patch it"],
  ["p", "patch a path from the cell"],
  ["Enter", "the cell takes the path"],
  ["Esc", "leave the path or the text"],
  undoText,
  helpKeys,
];

// The bar.
export const map = "Map";
export const streams = "stream · attention · MLP";
export const heads = "heads";
export const features = "features";
export const corruptedRun = "Corrupted run";
export const cleanToCorrupt = "clean → corrupt";
export const noise = "noise";
export const stale = "showing the map before your last change";
export const cells = (n: number): string => plural(n, "cell");

// The two prompts.
export const bothPromptsAligned = "Both prompts, aligned";
export const clean = "clean";
export const corrupt = "corrupt";
export const cleanPrompt = "Clean prompt";
export const corruptedPrompt = "Corrupted prompt";
export const whereNoiseIs = "noise: the corrupted run is the clean prompt with noise where the two differ";

// The scale and the verdict.
export const restoredShare = "restored share of {target}: {least}{ramp}+1";
export const ends = (low: string, high: string): string => `0 = corrupt run (${low}), 1 = clean run (${high})`;
export const controls = (n: number, most: string): string =>
  `control: random directions and positions, ${n} of each, at most ± ${most}; ` +
  "within a block's control nothing is printed";
/** How Python begins the verdict of a map in which nothing beats its controls. */
export const verdictNothing = "Nothing";
export const measuring = "measuring …";

// The conditions.
export const onePlaceOnePosition = "patch one place, one position";
export const frozenAttention = "frozen attention";
export const directEffect = "direct effect";

// A cell in words.
export const inLayer = (place: string, layer: string): string => `${place}, layer ${layer}`;
export const placeAt = (place: string, token: string): string => `${place}, at ${token}`;
export const notMeasured = (cell: string): string => `${cell}: not measured`;
export const itsControl = (low: string, high: string): string => `its control ${low} to ${high}`;
export const cellRestored = (cell: string, value: string, control: string): string =>
  `${cell}: ${value} restored, ${control}`;

// The map.
export const shareByTokenAndPlace = (target: string): string =>
  `Restored share of ${target} by token and place. Arrow keys choose a cell.`;
export const noCellChosen = "no cell is chosen";
export const sum = "sum";
export const sumPerLayer = "sum per layer";
export const sumPerHead = "sum per head";
export const sumPerFeature = "sum per feature";

// The chosen cell.
export const chooseACell = "Choose a cell to patch it.";
export const placeAtToken = "{place}, at {token}";
export const patchedLive = "· patched live";
export const controlWithin = (band: string): string => `control ± ${band}`;
export const restored = (rest: string): string => `restored · ${rest}`;
export const noMoreThanControl = "No more than a control does.";
export const patching = "patching …";
export const noPredictions = "This picture has no predictions of this cell.";
export const marks = "tick: corrupt · bar: patched · grey: control";
export const byHead = "By head";
export const openHead = (head: string): string => `Open ${head}`;

// A path from it.
export const path = "Path";
export const chooseReceiver = "Choose the cell that takes it, or";
export const thePrediction = "the prediction";
export const patchAPath = "Patch a path from here";
export const controlBetween = (low: string, high: string): string => `control ${low} to ${high}`;
