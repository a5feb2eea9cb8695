// From token ids to text that can be drawn: `saewidgets/runs/tokens.py` in the page.
import { CONTINUATION, PLAIN, SPECIAL, SPLIT, type Tokens } from "../payloads";
import { ALPHABET, type TokenizerData } from "./tokenizer";

const BYTES = new Map(ALPHABET.map((character, byte) => [character, byte]));
// Longest run of tokens that is looked at for one character.
const LONGEST = 8;

/** The bytes a token stands for, `null` for special tokens. */
function bytes(data: TokenizerData, id: number): number[] | null {
  if (data.special.includes(id)) return null;
  const name = data.names[id] ?? "";
  const all = [...name].map((character) => BYTES.get(character));
  return all.some((byte) => byte === undefined)
    ? [...new TextEncoder().encode(name.replaceAll("▁", " "))]
    : (all as number[]);
}

const decode = (values: number[], fatal: boolean): string | null => {
  try {
    return new TextDecoder("utf-8", { fatal, ignoreBOM: true }).decode(Uint8Array.from(values));
  } catch {
    return null;
  }
};

/** The text of a token alone; ids beyond the tokenizer (padding rows of the embedding) read "‹id›". */
export function wordOf(data: TokenizerData, id: number): string {
  if (id >= data.names.length) return `‹${id}›`;
  const own = bytes(data, id);
  return own === null ? (data.names[id] ?? "") : (decode(own, false) ?? "");
}

/** Tokens as views draw them: a character cut into several tokens stands whole on its first one. */
export function tokensOf(data: TokenizerData, ids: readonly number[]): Tokens {
  const raw = ids.map((id) => bytes(data, id));
  const [text, kind, pieces]: [string[], number[], string[]] = [[], [], []];
  for (let at = 0; at < ids.length; ) {
    const id = ids[at] as number;
    if (raw[at] === null) {
      text.push(id === data.bos ? "bos" : (data.names[id] ?? ""));
      kind.push(SPECIAL);
      at += 1;
      continue;
    }
    const [end, whole] = group(raw, at);
    if (end === at + 1 && whole !== null) {
      text.push(whole);
      kind.push(PLAIN);
    } else {
      text.push(whole ?? "\ufffd", ...Array<string>(end - at - 1).fill(""));
      kind.push(SPLIT, ...Array<number>(end - at - 1).fill(CONTINUATION));
      pieces.push(...raw.slice(at, end).map(hex));
    }
    at = end;
  }
  return { text, ids: Uint32Array.from(ids), kind: Uint8Array.from(kind), pieces };
}

const hex = (values: number[] | null): string =>
  (values ?? []).map((byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(" ");

/** End of the shortest run of tokens from `start` that is whole UTF-8, and its text, `null` where there is none. */
function group(raw: readonly (number[] | null)[], start: number): [number, string | null] {
  const joined: number[] = [];
  for (let end = start; end < Math.min(start + LONGEST, raw.length); end++) {
    const piece = raw[end];
    if (!piece) break;
    joined.push(...piece);
    const whole = decode(joined, true);
    if (whole !== null) return [end + 1, whole];
  }
  return [start + 1, null];
}
