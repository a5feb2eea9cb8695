// How token text is drawn: marks by name, spaces by sign, piles of combining marks cut. Nothing invisible stays.
import { CONTINUATION, MARKS, PLAIN, SPECIAL, SPLIT, type Tokens } from "./payloads";

/** Most combining marks on one letter; a higher pile would cover the lines around it. */
export const MAX_COMBINING = 4;
/** A token longer than this is cut: it would be wider than a column. */
export const MAX_TOKEN = 64;

/** A run is drawn as it is (`text`), as a grey sign (`sign`), as a name in a frame (`mark`) or as a byte (`hex`). */
export interface Run {
  text: string;
  kind: "text" | "sign" | "mark" | "hex";
}

/** A token ready to be placed. */
export interface Drawn {
  runs: Run[];
  /** A space stands before it; the gap is never filled. */
  gap: boolean;
  /** A line ends after it. */
  breaks: boolean;
  /** It starts (1) or continues (2) a character cut into bytes. */
  cut: 0 | 1 | 2;
}

const COMBINING = /\p{M}/u;
const UNSEEN = /\p{C}/u;
const SPACES = /\s/u;

function single(character: string): Run {
  if (character === "\n") return { text: "↵", kind: "sign" };
  if (character === "\t") return { text: "→", kind: "sign" };
  const code = character.codePointAt(0) ?? 0;
  const name = MARKS.get(code);
  if (name !== undefined) return { text: name, kind: "mark" };
  if (SPACES.test(character)) return { text: "·", kind: "sign" };
  if (UNSEEN.test(character)) return { text: `U+${code.toString(16).toUpperCase().padStart(4, "0")}`, kind: "mark" };
  return { text: character, kind: "text" };
}

/** Text in which every character is drawn as it is: the common case, kept fast for long prompts. */
const SIMPLE = /^[!-~]+$/;

/** Runs of a text; every run is printable, and there is at least one. */
export function runs(text: string, limit = MAX_TOKEN): Run[] {
  if (text.length <= limit && SIMPLE.test(text)) return [{ text, kind: "text" }];
  const result: Run[] = [];
  let combining = 0;
  let drawn = 0;
  for (const character of text.slice(0, 64 * limit)) {
    combining = COMBINING.test(character) ? combining + 1 : 0;
    if (combining > MAX_COMBINING) continue;
    if (++drawn > limit) {
      result.push({ text: "…", kind: "sign" });
      break;
    }
    const run = single(character);
    const last = result.at(-1);
    if (last && run.kind !== "mark" && last.kind === run.kind) last.text += run.text;
    else result.push(run);
  }
  return result.length ? result : [{ text: "empty", kind: "mark" }];
}

/** One harmless line of a label, an id or a name. */
export function plain(text: string, limit = 200): string {
  let line = "";
  for (const run of runs(text, limit)) {
    line +=
      run.kind === "mark"
        ? `‹${run.text}›`
        : run.kind === "sign" && run.text !== "…"
          ? " ".repeat(run.text.length)
          : run.text;
  }
  return text === "" ? "" : line;
}

/** Whether a text holds a pile of combining marks that would keep a browser busy for minutes. */
export const piled = (text: string): boolean => /\p{M}{1000}/u.test(text);

/** Name of a special token without the brackets its tokenizer puts around it. */
export const special = (text: string): string => text.replace(/^[<>|[\] ]+|[<>|[\] ]+$/g, "") || text;

/** One token. `piece` is its bytes in hex where it is a part of a character. */
export function draw(text: string, kind: number, piece = ""): Drawn {
  if (kind === SPECIAL)
    return { runs: [{ text: plain(special(text), 24), kind: "mark" }], gap: false, breaks: false, cut: 0 };
  if (kind === CONTINUATION)
    return { runs: [{ text: plain(piece, 24), kind: "hex" }], gap: false, breaks: false, cut: 2 };
  const gap = text.startsWith(" ") && text.length > 1;
  const body = runs(gap ? text.slice(1) : text);
  if (kind === SPLIT) return { runs: [...body, { text: plain(piece, 24), kind: "hex" }], gap, breaks: false, cut: 1 };
  return { runs: body, gap, breaks: kind === PLAIN && text.includes("\n"), cut: 0 };
}

/** All tokens of a prompt. */
export function drawAll(tokens: Tokens): Drawn[] {
  let piece = 0;
  return tokens.text.map((text, i) => {
    const kind = tokens.kind[i] ?? PLAIN;
    return draw(text, kind, kind >= SPLIT ? (tokens.pieces[piece++] ?? "") : "");
  });
}

/** What is drawn, as one string: names in frames. */
export const asText = (drawn: Drawn): string =>
  drawn.runs.map((run) => (run.kind === "mark" || run.kind === "hex" ? `‹${run.text}›` : run.text)).join("");
