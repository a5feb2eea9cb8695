// Every view by the name that its payload gives.
import type { Draw } from "../mount";
import { circuitGraph } from "./circuitgraph";
import { compare } from "./compare";
import { contrast } from "./contrast";
import { dictionaryReport } from "./dictionaryreport";
import { explorer } from "./explorer";
import { featureDashboard } from "./featuredashboard";
import { featureTable } from "./featuretable";
import { frontier } from "./frontier";
import { heatmap } from "./heatmap";
import { patchMap } from "./patchmap";
import { steering } from "./steering";
import { training } from "./training";

export const VIEWS: ReadonlyMap<string, Draw> = new Map([
  ["heatmap", heatmap],
  ["training", training],
  ["frontier", frontier],
  ["dictionary_report", dictionaryReport],
  ["feature_dashboard", featureDashboard],
  ["feature_table", featureTable],
  ["patch_map", patchMap],
  ["circuit", circuitGraph(featureDashboard)],
  ["steering", steering],
  ["contrast", contrast],
  ["explorer", explorer],
  ["compare", compare],
]);
