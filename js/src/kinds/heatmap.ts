// The payload of a heatmap.
import { isSize, type Kind, PayloadError, rowsOf } from "../decode";
import { type Control, HEATMAP_PAYLOAD, type HeatmapPayload, type Predictions } from "../payloads";
import * as common from "../words/common";
import * as words from "../words/file";

export function checkPredictions({ positions, token, before, after }: Predictions, control: Control | null): void {
  for (const matrix of [token, before, after, control?.low ?? null, control?.high ?? null]) {
    if (matrix && (matrix.rows !== positions.length || matrix.columns !== token.columns)) {
      throw new PayloadError(words.predictionsUnequal);
    }
  }
}

export function checkHeatmap(payload: HeatmapPayload): void {
  const length = payload.tokens.text.length;
  const rows: [string, { length: number } | null, number][] = [
    ["tokens.ids", payload.tokens.ids, length],
    ["tokens.kind", payload.tokens.kind, length],
    ["surprise", payload.surprise, length],
    ["surprise_after", payload.surprise_after, length],
  ];
  for (const site of payload.sites) {
    rows.push([site.key, site.active, length], [site.key, site.error, length]);
    rows.push([site.key, site.active_after, length], [site.key, site.error_after, length]);
    rows.push(
      [site.key, site.strongest.indptr, length + 1],
      [site.key, site.strongest.value, site.strongest.index.length],
    );
    if (site.strongest_after) rows.push([site.key, site.strongest_after.indptr, length + 1]);
  }
  for (const feature of payload.features) {
    rows.push([feature.id, feature.values, length], [feature.id, feature.after, length]);
    if (!isSize(feature.slot)) throw new PayloadError(common.slotMissing);
  }
  checkPredictions(payload.predictions, payload.control);
  for (const [name, values, expected] of rows) rowsOf(name, values, expected);
}

export const HEATMAP: Kind<HeatmapPayload> = { name: "heatmap", fields: HEATMAP_PAYLOAD, check: checkHeatmap };
