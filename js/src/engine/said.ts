// What is said of edits: on a chip, and as Python that makes the view again.
import type { Edit } from "../model";
import * as words from "../words/engine";

/** A number with three significant digits, as Python's `.3g` writes it. */
export function general(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const [digits = "", power = "0"] = value.toExponential(2).split("e");
  const exponent = Number(power);
  const short = (text: string) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (exponent >= -4 && exponent < 3) return short(value.toFixed(2 - exponent));
  const sign = exponent < 0 ? "-" : "+";
  return `${short(digits)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** What an edit does, for a chip. */
export function wordsOf(edit: Edit): string {
  const value = edit.value ?? 0;
  const number = general(value);
  const text = {
    ablate: words.ablate,
    scale: words.scale(number),
    clamp: (edit.when_active ? words.clampWhenActive : words.clamp)(number),
    steer: (edit.relative ? words.steerOfNorm : words.steer)(value < 0 ? number : `+${number}`),
  }[edit.kind];
  const n = edit.positions?.length;
  return n === undefined ? text : words.atTokens(text, n);
}

/** Factor of an edit that a slider can show, `null` for any other. */
export function multipleOf(edit: Edit): number | null {
  if (edit.positions !== null || (edit.kind !== "ablate" && edit.kind !== "scale")) return null;
  return edit.kind === "ablate" ? 0 : (edit.value ?? 0);
}

// JSON writes strings in a way that Python reads as the same.
const text = (value: string): string => JSON.stringify(value);
const texts = (values: readonly string[]): string => `[${values.map(text).join(", ")}]`;

function call(edit: Edit): string {
  const parts = [text(edit.feature)];
  if (edit.kind !== "ablate") parts.push(String(edit.value ?? 0));
  if (edit.positions) parts.push(`positions=[${edit.positions.join(", ")}]`);
  if (edit.relative) parts.push("relative=True");
  if (edit.when_active) parts.push("when_active=True");
  return `sw.${edit.kind}(${parts.join(", ")})`;
}

export interface Shown {
  prompt: string;
  features: readonly string[];
  edits: readonly Edit[];
  error_term: string;
  site: string;
  fill: string;
  selection: number;
}

/** Python that shows this view again. */
export function codeOf(shown: Shown): string {
  const parts = ["scope", text(shown.prompt), `features=${texts(shown.features.filter(Boolean))}`];
  if (shown.edits.length) parts.push(`edits=[${shown.edits.map(call).join(", ")}]`);
  if (shown.error_term !== "kept") parts.push(`error_term=${text(shown.error_term)}`);
  if (shown.site) parts.push(`site=${text(shown.site)}`);
  if (shown.fill) parts.push(`fill=${text(shown.fill)}`);
  if (shown.selection >= 0) parts.push(`selection=${shown.selection}`);
  return `sw.TokenHeatmap(${parts.join(", ")})`;
}
