// What stands in the strip: the tokens of the picture, and in between what was typed since and is not yet read.
import { SPECIAL, type Tokens } from "./payloads";
import { type Drawn, draw, drawAll } from "./signs";

/** One token, or a piece of unread text (`token` is -1). */
export interface Cell {
  token: number;
  drawn: Drawn;
  /** The characters of the prompt that it covers. */
  start: number;
  end: number;
}

/** Cells of the tokens alone. */
export function cellsOf(tokens: Tokens): Cell[] {
  let offset = 0;
  return drawAll(tokens).map((drawn, token) => {
    const start = offset;
    if (tokens.kind[token] !== SPECIAL) offset += (tokens.text[token] ?? "").length;
    return { token, drawn, start, end: offset };
  });
}

/** Cells of a text that was edited after the picture: unchanged tokens stay, with their colours. */
export function cellsOfDraft(cells: readonly Cell[], prompt: string, draft: string): Cell[] {
  if (draft === prompt) return [...cells];
  if ((cells.at(-1)?.end ?? 0) !== prompt.length) return unread(draft, 0);
  let same = 0;
  while (same < Math.min(prompt.length, draft.length) && prompt[same] === draft[same]) same++;
  let tail = 0;
  const room = Math.min(prompt.length, draft.length) - same;
  while (tail < room && prompt[prompt.length - 1 - tail] === draft[draft.length - 1 - tail]) tail++;
  let first = 0;
  while (first < cells.length && (cells[first] as Cell).end <= same) first++;
  let last = cells.length;
  while (last > first && (cells[last - 1] as Cell).start >= prompt.length - tail) last--;
  const shift = draft.length - prompt.length;
  const from = cells[first - 1]?.end ?? 0;
  const to = last < cells.length ? (cells[last] as Cell).start + shift : draft.length;
  const after = cells.slice(last).map((cell) => ({ ...cell, start: cell.start + shift, end: cell.end + shift }));
  return [...cells.slice(0, first), ...unread(draft.slice(from, to), from), ...after];
}

function unread(text: string, offset: number): Cell[] {
  let start = offset;
  return (text.match(/\n| ?[^\s]+|\s/g) ?? []).map((part) => {
    const cell = { token: -1, drawn: draw(part, 0), start, end: start + part.length };
    start = cell.end;
    return cell;
  });
}

/** Cells that stay on one line: the pieces of a word. Long runs without a space may break. */
export function groups(cells: readonly Cell[]): number[][] {
  const result: number[][] = [];
  let length = 0;
  cells.forEach((cell, i) => {
    const before = cells[i - 1];
    const { drawn } = cell;
    const size = drawn.runs.reduce((n, run) => n + run.text.length, 0);
    const joins =
      before !== undefined &&
      !drawn.gap &&
      !before.drawn.breaks &&
      (drawn.cut === 2 || (length + size <= 24 && !wide(before)));
    const group = result.at(-1);
    if (joins && group) {
      group.push(i);
      length += size;
    } else {
      result.push([i]);
      length = size;
    }
  });
  return result;
}

/** Chinese, Japanese, Korean and emoji break anywhere. */
const wide = (cell: Cell): boolean =>
  /[\u2e80-\ud7ff\uf900-\ufaff\u{1f000}-\u{3ffff}]$/u.test(cell.drawn.runs.at(-1)?.text ?? "");

/** Where a feature is greatest; position 0 is left out, as in the fill. */
export function peakOf(values: ArrayLike<number>): number {
  let at = values.length > 1 ? 1 : 0;
  for (let t = 2; t < values.length; t++) if ((values[t] as number) > (values[at] as number)) at = t;
  return at;
}
