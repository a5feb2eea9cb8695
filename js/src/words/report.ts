// Words of the DictionaryReport, also where the Frontier opens one.
import { count, share } from "../format";
import { features, helpKeys } from "./common";

export const keys = [
  ["← →", "read a chart, bar by bar"],
  ["Home End", "first and last"],
  ["Esc", "leave the chart's cursor"],
  helpKeys,
] as const;

// The feature that is chosen.
export const heard = (feature: string): string => `Feature ${feature} chosen.`;
export const chosen = (feature: string): string => `chosen: ${feature}`;

/** The first line, after the name. */
export const about = (architecture: string, width: number, scale: string): string =>
  `${architecture} · ${features(width)} · activations in ${scale} scale`;

// Measures.
export const measures = "Measures";
export const measure = "measure";
export const thisDictionary = "this";
export const lowerIsBetter = "lower is better";
export const higherIsBetter = "higher is better";
export const tracksKey = "dot: this dictionary, line: its interval, hollow marks: the baselines";

// Histograms.
export const densityNote = (dead: number): string => `share of tokens, log; ${count(dead)} dead`;
export const denseFrom = (density: number): string => `dense: over ${share(density)}`;
export const nearestRow = "Nearest decoder row";
export const greatestCosine = "greatest cosine with another";

// Lists of features.
export const dead = (n: number): string => `${count(n)} dead`;
export const neverFired = "never fired";
export const dense = (n: number): string => `${count(n)} dense`;
export const fireOnMore = (density: number): string => `fire on more than ${share(density)} of tokens`;
export const none = "none";
export const notListed = (n: number): string => `${count(n)} are not listed`;

// What opens below.
export const definitions = "Definitions";
export const noDefinition = "no definition given";
export const loadCard = "Load card";
