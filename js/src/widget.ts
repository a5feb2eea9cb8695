// The bundle of all views: anywidget calls `render` where it is inline, the shim calls `mount` where a carrier brought it.
import { type Draw, mount as draw, type Place } from "./mount";
import { dictionaryReport } from "./views/dictionaryreport";
import { featureDashboard } from "./views/featuredashboard";
import { featureTable } from "./views/featuretable";
import { frontier } from "./views/frontier";
import { heatmap } from "./views/heatmap";
import { patchMap } from "./views/patchmap";
import { training } from "./views/training";

const VIEWS: ReadonlyMap<string, Draw> = new Map([
  ["heatmap", heatmap],
  ["training", training],
  ["frontier", frontier],
  ["dictionary_report", dictionaryReport],
  ["feature_dashboard", featureDashboard],
  ["feature_table", featureTable],
  ["patch_map", patchMap],
]);

export const mount = (place: Place) => draw(place, VIEWS);

export default {
  render: ({ model, el, signal, host }: Place) =>
    mount({ model, el, ...(signal && { signal }), ...(host && { host }) }),
};
