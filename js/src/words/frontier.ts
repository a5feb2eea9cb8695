// Words of the Frontier.
import { count } from "../format";
import { helpKeys, plural } from "./common";

export const keys = [
  ["← →", "from dictionary to dictionary, by L0"],
  ["Enter", "open its report"],
  ["Home End", "the sparsest, the densest"],
  ["Esc", "close the report"],
  helpKeys,
] as const;

export const heard = (name: string, reported: boolean): string =>
  `${name} selected${reported ? ", its report is open" : ", it has no report"}.`;
export const noPoint = "The frontier names no point.";

// The bar.
export const fidelity = "Fidelity";
export const axisOfL0 = "Axis of L0";
export const dictionaries = (n: number): string => `${count(n)} ${n === 1 ? "dictionary" : "dictionaries"}`;
export const baselines = (n: number): string => plural(n, "baseline");

// The chart, its legend, the report beside.
export const frontier = "Frontier";
export const noDictionaries = "No dictionaries. Give reports: sw.Frontier([report, …]).";
export const fullAndHollow = "full: on the frontier, hollow: behind it";
export const cross = "cross: 95 % interval";
export const report = "Report";
export const closeReport = "Close the report";

// The table.
export const table = "Table of dictionaries";
export const dictionary = "dictionary";
export const architecture = "architecture";
export const features = "features";
export const fvu = "FVU";
export const onFrontier = ", on the frontier";
