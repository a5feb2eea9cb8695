// The payload of one feature.
import { isSize, type Kind, PayloadError, rowsOf } from "../decode";
import type { FeatureDashboardPayload } from "../payloads";
import { FEATURE_DASHBOARD_PAYLOAD } from "../records";
import * as words from "../words/dashboard";
import { checkHeatmap } from "./heatmap";
import { checkHistogram } from "./histogram";

function checkDashboard({ histogram, slot, groups, live }: FeatureDashboardPayload): void {
  checkHistogram("histogram", histogram);
  if (!isSize(slot)) throw new PayloadError(words.noSlot);
  for (const { kind, passages } of groups) {
    for (const { text, values, peak } of passages) {
      rowsOf(kind, values, text.length);
      if (!isSize(peak) || peak >= Math.max(1, text.length)) throw new PayloadError(words.noPeak);
    }
  }
  if (live) checkHeatmap(live);
}

export const FEATURE_DASHBOARD: Kind<FeatureDashboardPayload> = {
  name: "feature_dashboard",
  fields: FEATURE_DASHBOARD_PAYLOAD,
  check: checkDashboard,
};
