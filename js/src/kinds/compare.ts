// The payload of a comparison.
import { isSize, type Kind, PayloadError, rowsOf } from "../decode";
import type { ComparePayload } from "../payloads";
import { COMPARE_PAYLOAD } from "../records";
import { noSuchPair } from "../words/compare";
import { checkPredictions } from "./heatmap";

function checkCompare({ left_token, right_token, same, features, predictions, control, pair }: ComparePayload): void {
  const n = left_token.length;
  for (const values of [right_token, same]) rowsOf("pairs", values, n);
  rowsOf("features", features.indptr, n + 1);
  for (const values of [features.right, features.a, features.b, features.cosine])
    rowsOf("features", values, features.left.length);
  if (!isSize(pair)) throw new PayloadError(noSuchPair);
  if (predictions) checkPredictions(predictions, control);
}

export const COMPARE: Kind<ComparePayload> = { name: "compare", fields: COMPARE_PAYLOAD, check: checkCompare };
