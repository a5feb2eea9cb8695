// Words of more than one view.
import { count } from "../format";

/** "1 token", "2 tokens". */
export const plural = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

/** A time that is left: "40 s", "3 min", "2 h 5 min". */
export function duration(seconds: number): string {
  if (seconds < 90) return `${count(Math.ceil(seconds))} s`;
  const minutes = Math.min(6e6, Math.round(seconds / 60));
  return minutes < 90 ? `${minutes} min` : `${count(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

export const features = (n: number): string => plural(n, "feature");
export const tokens = (n: number): string => plural(n, "token");
export const prompts = (n: number): string => plural(n, "prompt");
export const randomFeatures = (n: number): string => plural(n, "random feature");
export const randomDirections = (n: number): string => plural(n, "random direction");
export const ofTotal = (n: number, total: number): string => `${count(n)} of ${count(total)}`;

// Buttons and headings.
export const menu = "Menu";
export const keyboard = "Keyboard";
export const close = "Close";
export const undo = "Undo";
export const redo = "Redo";
export const undoKeys = "Undo (Ctrl+Z)";
export const redoKeys = "Redo (Ctrl+Shift+Z)";
export const stop = "stop";
export const prompt = "Prompt";
export const tokensOfPrompt = "Tokens of the prompt";
export const nextToken = "Next token";
export const nextTokenAfter = "Next token after {token}";
export const whereItFires = "Where it fires";
export const whatItWrites = "What it writes";
export const density = "Density";
export const effect = "Effect";
export const dashboard = "Dashboard";
export const addFeature = "Add a feature: number or words";
export const closeDashboard = "Close the dashboard";
export const addLane = "add a lane";
export const saveFigure = "Save figure";
export const showFewer = "show fewer";
export const showMore = (n: number): string => `show ${count(n)} more`;
export const noLabelYet = "no label yet";

// An axis.
export const log = "log";
export const linear = "linear";

// What was kept, frozen, counted.
export const seed = "seed";
export const seedOf = (seed: number): string => `seed ${seed}`;
export const errorTermOf = (policy: string): string => `error term ${policy}`;
export const errorTermHead = "Error term";
export const errorKept = "error kept";
export const errorDropped = "error dropped";
export const propagationOf = (kind: string): string => `${kind} propagation`;
export const propagationHead = "Propagation";
export const free = "free propagation";
export const natsKl = "nats KL";
export const reading = "reading …";
export const controlReading = "control: reading …";

// Why something cannot be done, and what to do.
export const needsModel = "needs a live model";
export const stopped = "Stopped.";
export const runTheCellAgain = "Run the cell again.";
export const slotMissing = "A feature has no slot.";
export const dashboardMissing = "The dashboard of this feature did not arrive.";

// The help: keys, and what they do.
export const helpKeys: readonly [string, string] = ["?", "this help"];
export const undoText: readonly [string, string] = ["Ctrl Z", "undo, outside the text"];
export const undoFields: readonly [string, string] = ["Ctrl Z", "undo, outside of text fields"];
export const undoRedo: readonly [string, string] = ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"];
export const lettersInStrip = "Letters act while the strip has focus and the text is not being edited.";
