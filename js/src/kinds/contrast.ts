// The payload of a contrast.
import { isSize, type Kind, PayloadError, rowsOf } from "../decode";
import type { ContrastPayload } from "../payloads";
import { CONTRAST_PAYLOAD } from "../records";
import * as said from "../words/contrast";

function checkContrast({ positive, negative, bottleneck }: ContrastPayload): void {
  if (!bottleneck) return;
  const { concepts, readers, scores, answers, held, corrected, accuracy, low, high, control, correction } = bottleneck;
  const n = positive.length + negative.length;
  for (const values of [answers, held]) rowsOf("prompts", values, n);
  rowsOf("scores", scores.data, n * concepts.length);
  rowsOf("readers", readers, concepts.length);
  for (const values of [accuracy, low, high, control]) rowsOf("accuracy", values, corrected.length);
  if (!correction) return;
  const { prompt, values, words, before, after } = correction;
  if (!isSize(prompt) || prompt >= n) throw new PayloadError(said.correctionMissesPrompt);
  for (const one of [values, correction.scores]) rowsOf("concepts", one, concepts.length);
  for (const one of [before, after, correction.low, correction.high]) rowsOf("words", one, words.length);
}

export const CONTRAST: Kind<ContrastPayload> = { name: "contrast", fields: CONTRAST_PAYLOAD, check: checkContrast };
