// What edits of features do to an activation: `saewidgets/interventions` in the page.
import type { Edit } from "../model";
import * as words from "../words/engine";
import { addRow, type Dictionary, decode, encode, lengthOf, scaleAt } from "./dictionary";
import { Refusal } from "./refusal";
import { copy, norm, row, type Tensor } from "./tensors";

/** An edit that was checked: what it is done to is known. */
export interface Step {
  edit: Edit;
  dictionary: Dictionary;
  index: number;
}

/** The dictionary and the index that an id names. */
export function featureOf(dictionaries: readonly Dictionary[], id: string): { dictionary: Dictionary; index: number } {
  const slash = id.lastIndexOf("/");
  const dictionary = dictionaries.find(({ key }) => key === id.slice(0, slash));
  const index = Number(id.slice(slash + 1));
  if (!dictionary || !/^\d{1,9}$/.test(id.slice(slash + 1)) || index >= dictionary.encoder.rows) {
    const known = dictionaries.map(({ key, encoder }) => words.indices(key, encoder.rows - 1)).join(", ");
    throw new Refusal(words.noFeature(id), words.loaded(known));
  }
  return { dictionary, index };
}

/** Checks edits against the dictionaries and the length of the prompt. */
export function check(dictionaries: readonly Dictionary[], edits: readonly Edit[], tokens: number): Step[] {
  const errors = new Map<string, string>();
  return edits.map((edit) => {
    const found = featureOf(dictionaries, edit.feature);
    const { key } = found.dictionary;
    if ((errors.get(key) ?? edit.error) !== edit.error) {
      throw new Refusal(words.errorBothWays(key), words.chooseOne);
    }
    errors.set(key, edit.error);
    const last = Math.max(-1, ...(edit.positions ?? []));
    if (last >= tokens) throw new Refusal(words.positionOutside(last), words.promptLength(tokens));
    return { edit, ...found };
  });
}

const rowsOf = (edit: Edit, tokens: number): number[] => edit.positions ?? Array.from({ length: tokens }, (_, t) => t);

/** One activation under an edit. */
function changed(step: Step, value: number, source: Float32Array, target: Float32Array): number {
  const { edit, dictionary, index } = step;
  const by = edit.value ?? 0;
  if (edit.kind === "ablate") return 0;
  if (edit.kind === "scale") return value * by;
  if (edit.kind === "clamp") return edit.when_active && value <= 0 ? value : by;
  if (!edit.relative) return value + by;
  return value + (by * norm(target)) / lengthOf(dictionary, index) / scaleAt(dictionary, source);
}

/** What a dictionary encodes to and what is written in its place, under the edits on it. */
export function write(
  steps: readonly Step[],
  source: Tensor,
  target: Tensor,
): { before: Tensor; features: Tensor; value: Tensor } {
  const { dictionary, edit } = steps[0] as Step;
  const before = encode(dictionary, source);
  const features = copy(before);
  const touched = new Set<number>();
  for (const step of steps) {
    for (const t of rowsOf(step.edit, source.rows)) {
      touched.add(t);
      const values = row(features, t);
      values[step.index] = changed(step, values[step.index] as number, row(source, t), row(target, t));
    }
  }
  const value = copy(target);
  const made = edit.error === "drop" ? decode(dictionary, features, source) : null;
  const columns = [...new Set(steps.map(({ index }) => index))];
  for (const t of touched) {
    const to = row(value, t);
    if (made) to.set(row(made, t));
    else {
      const scale = scaleAt(dictionary, row(source, t));
      for (const i of columns)
        addRow(dictionary, to, i, ((row(features, t)[i] as number) - (row(before, t)[i] as number)) * scale);
    }
  }
  return { before, features, value };
}

/** Steps by dictionary, in order of the first of each, as they are written at each site. */
export function bySite(steps: readonly Step[]): Map<string, Step[][]> {
  const groups = new Map<Dictionary, Step[]>();
  for (const step of steps) groups.set(step.dictionary, [...(groups.get(step.dictionary) ?? []), step]);
  const sites = new Map<string, Step[][]>();
  for (const [{ site_out }, group] of groups) sites.set(site_out, [...(sites.get(site_out) ?? []), group]);
  return sites;
}
