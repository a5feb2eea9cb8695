// The payload of a training.
import { isSize, type Kind, PayloadError, rowsOf } from "../decode";
import type { TrainingPayload } from "../payloads";
import { TRAINING_PAYLOAD } from "../records";
import * as common from "../words/common";
import { checkHistogram } from "./histogram";

function checkTraining(payload: TrainingPayload): void {
  for (const curve of payload.curves) rowsOf(curve.name, curve.values, payload.steps.length);
  rowsOf("changed_to", payload.changed_to, payload.changed_at.length);
  checkHistogram("density", payload.density);
  for (const { id, slot, passages } of payload.features) {
    if (!isSize(slot)) throw new PayloadError(common.slotMissing);
    for (const passage of passages) rowsOf(id, passage.values, passage.text.length);
  }
}

export const TRAINING: Kind<TrainingPayload> = { name: "training", fields: TRAINING_PAYLOAD, check: checkTraining };
