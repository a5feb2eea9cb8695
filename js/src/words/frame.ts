// Words of what every view is in: bar, menu, help, status, foot, charts; and of a view that did not arrive.
import { count } from "../format";
import { plural } from "./common";

// Instead of a view.
export const newerView = "This view is newer than the front end. Reload the page.";
export const noCodeArrived = "The code of this view did not arrive. Run this cell again.";
export const otherCarrier = "another carrier";
export const otherVersion = "another version";

// The bar.
export const site = "Site";
export const stream = "Stream";
export const layer = "Layer";
export const dictionary = "Dictionary";
export const main = "main";
export const fill = "Fill";
export const error = "error";
export const errorTitle = "share of the activation that the dictionary misses";
export const surprise = "surprise";
export const surpriseTitle = "−log p of each token, nats";

// The status.
export const staleText = "showing the text before your last edit";
export const milliseconds = (n: number): string => `${count(n)} ms`;
export const working = "working";
export const secondsLeft = (n: number): string => `${count(n)} s left`;

// The menu.
export const copyCode = "Copy code";
export const codeCopied = "Code copied";
export const noCode = "no code";
export const saveAs = (format: string): string => `Save as ${format}`;
export const saving = (format: string): string => `Saving ${format}`;
export const saved = (name: string): string => `Saved ${name}`;

// Charts.
export const noPoints = "no points yet";
export const step = "step";
export const at = (unit: string, n: number): string => `${unit} ${count(n)}`;
export const fromTo = (title: string, first: string, last: string, n: number, unit: string): string =>
  `${title}: from ${first} to ${last} in ${plural(n, unit)}`;
export const noneYet = (title: string, unit: string): string => `${title}: no ${unit}s yet`;
export const bar = (low: string, high: string, n: number): string => `${low} to ${high}: ${count(n)}`;
export const mostAt = (title: string, n: number, top: string): string =>
  `${title}: ${count(n)} features, most at ${top}`;
export const nothingYet = (title: string): string => `${title}: nothing yet`;

// The frontier's chart. Baselines go by their kind in the payload, in the order of the legend.
export const baselines = { pca: "PCA", random: "random", "frozen decoder": "frozen decoder" };
export const againstL0 = (name: string): string => `${name} against L0`;
export const topLeft = "top left is better";
export const bottomLeft = "bottom left is better";
export const frontier = (name: string, n: number, front: number): string =>
  `${name} against L0 of ${n} dictionaries, ${front} on the frontier. Arrow keys read them, Enter opens one.`;
export const logarithmic = "(log)";
export const l0Axis = (scale: string): string => `L0, active features a token ${scale} →`;
