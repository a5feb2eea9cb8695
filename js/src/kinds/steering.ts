// The payload of steered texts.
import { isSize, type Kind, PayloadError, rowsOf } from "../decode";
import type { SteeringPayload } from "../payloads";
import { STEERING_PAYLOAD } from "../records";
import * as words from "../words/steering";

function checkSteering({ sliders, texts, doses, kept }: SteeringPayload): void {
  for (const { slot, half } of sliders) {
    if (!isSize(slot) || !(half > 0)) throw new PayloadError(words.badSlider);
  }
  for (const { role, tokens, differs, values, n_prompt } of texts) {
    for (const row of [tokens.ids, tokens.kind, differs]) rowsOf(role, row, tokens.text.length);
    if (values.rows !== sliders.length || values.columns !== tokens.text.length || !isSize(n_prompt))
      throw new PayloadError(words.unequalText);
  }
  for (const matrix of doses ? [doses.effect, doses.kl, doses.perplexity] : []) {
    if (matrix.columns !== doses?.strengths.length || matrix.rows !== doses.effect.rows || !(matrix.rows > 0))
      throw new PayloadError(words.unequalCurves);
  }
  if (doses && !(isSize(doses.n_directions) && doses.n_directions < doses.effect.rows))
    throw new PayloadError(words.curvesMissControls);
  for (const { note, sliders: ids, values } of kept) rowsOf(note, values, ids.length);
}

export const STEERING: Kind<SteeringPayload> = { name: "steering", fields: STEERING_PAYLOAD, check: checkSteering };
