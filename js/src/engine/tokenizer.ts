// Byte-level byte-pair encoding (Sennrich et al. 2016, Radford et al. 2019), as the tokenizers library does it.
import * as words from "../words/engine";
import { Refusal } from "./refusal";

export interface TokenizerData {
  /** Name of each id; of bytes in the alphabet of `ALPHABET`. */
  names: string[];
  /** "left right", best first. */
  merges: string[];
  /** A piece that is a token is taken whole, without merging. */
  whole: boolean;
  patterns: string[];
  /** Put a space before a text that has none. */
  space: boolean;
  added: [number, string][];
  special: number[];
  /** Ids put before and after a text. */
  first: number[];
  last: number[];
  bos: number | null;
  prepend: number | null;
}

/** The character that stands for each byte. */
export const ALPHABET: readonly string[] = (() => {
  let next = 256;
  const printable = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

const utf8 = new TextEncoder();

export class Tokenizer {
  readonly #ids: Map<string, number>;
  readonly #ranks: Map<string, number>;
  readonly #patterns: RegExp[];
  readonly #added: Map<string, number>;
  readonly #marks: RegExp | null;
  readonly #known = new Map<string, number[]>();

  constructor(readonly data: TokenizerData) {
    this.#ids = new Map(data.names.map((name, id) => [name, id]));
    this.#ranks = new Map(data.merges.map((pair, rank) => [pair, rank]));
    this.#patterns = data.patterns.map((pattern) => new RegExp(pattern, "gu"));
    this.#added = new Map(data.added.map(([id, content]) => [content, id]));
    const texts = [...this.#added.keys()].sort((a, b) => b.length - a.length);
    const quoted = texts.map((text) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"));
    this.#marks = quoted.length ? new RegExp(`(${quoted.join("|")})`, "u") : null;
  }

  /** Ids of a prompt. Throws a `Refusal` where Python raises. */
  encode(text: string, context: number): number[] {
    if (text === "") throw new Refusal(words.emptyPrompt, words.typeSomething);
    const { first, last, prepend } = this.data;
    // Through UTF-8, where lone surrogates become U+FFFD.
    const clean = new TextDecoder("utf-8", { ignoreBOM: true }).decode(utf8.encode(text));
    const parts = this.#marks ? clean.split(this.#marks) : [clean];
    const ids = [...first];
    parts.forEach((part, n) => {
      const id = n % 2 ? this.#added.get(part) : undefined;
      for (const one of id === undefined ? this.#pieces(part) : [id]) ids.push(one);
    });
    ids.push(...last);
    if (prepend !== null && ids[0] !== prepend) ids.unshift(prepend);
    if (ids.length <= (prepend === null ? 0 : 1)) {
      throw new Refusal(words.noKnownToken, words.typeOther);
    }
    if (ids.length > context) {
      throw new Refusal(words.tooLong(ids.length, context), words.shorten);
    }
    return ids;
  }

  /** Ids of text without added tokens. */
  #pieces(text: string): number[] {
    if (text === "") return [];
    let pieces = [this.data.space && !text.startsWith(" ") ? ` ${text}` : text];
    for (const pattern of this.#patterns) pieces = pieces.flatMap((piece) => split(piece, pattern));
    return pieces.flatMap((piece) => {
      let ids = this.#known.get(piece);
      if (!ids) {
        ids = this.#merge([...utf8.encode(piece)].map((byte) => ALPHABET[byte] as string));
        this.#known.set(piece, ids);
      }
      return ids;
    });
  }

  #merge(symbols: string[]): number[] {
    const whole = this.data.whole ? this.#ids.get(symbols.join("")) : undefined;
    if (whole !== undefined) return [whole];
    for (;;) {
      let [best, at] = [Number.POSITIVE_INFINITY, -1];
      for (let i = 0; i + 1 < symbols.length; i++) {
        const rank = this.#ranks.get(`${symbols[i]} ${symbols[i + 1]}`) ?? Number.POSITIVE_INFINITY;
        if (rank < best) [best, at] = [rank, i];
      }
      if (at < 0) break;
      symbols.splice(at, 2, `${symbols[at]}${symbols[at + 1]}`);
    }
    // A byte that the vocabulary lacks is left out, as the tokenizers library does.
    return symbols.flatMap((symbol) => this.#ids.get(symbol) ?? []);
  }
}

/** Matches and what lies between them, in order. */
function split(text: string, pattern: RegExp): string[] {
  const pieces: string[] = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    if (match[0] === "") continue;
    pieces.push(text.slice(end, match.index), match[0]);
    end = match.index + match[0].length;
  }
  pieces.push(text.slice(end));
  return pieces.filter(Boolean);
}
