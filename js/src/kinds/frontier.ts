// The payload of several dictionaries side by side.
import { type Kind, PayloadError } from "../decode";
import type { FrontierPayload } from "../payloads";
import { FRONTIER_PAYLOAD } from "../records";
import * as words from "../words/frontier";
import { checkReport } from "./report";

function checkFrontier({ points, front_fvu, front_ce }: FrontierPayload): void {
  for (const front of [front_fvu, front_ce]) {
    for (const index of front) if (index >= points.length) throw new PayloadError(words.noPoint);
  }
  for (const { report } of points) if (report) checkReport(report);
}

export const FRONTIER: Kind<FrontierPayload> = { name: "frontier", fields: FRONTIER_PAYLOAD, check: checkFrontier };
