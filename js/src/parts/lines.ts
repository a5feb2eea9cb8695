// A strip of tokens in plain DOM: of a new text only what differs is built; it knows where each character stands.
import { type Cell, groups } from "../cells";
import { dress, type LaneSize, type Look, node, tokenElement } from "./token";

/** A word: what stands for it in the page, by what it was built from. */
interface Group {
  key: string;
  nodes: Node[];
  elements: HTMLElement[];
}

export class Lines {
  elements: HTMLElement[] = [];
  #cells: readonly Cell[] = [];
  #groups: Group[] = [];
  #index = new Map<Element, number>();
  #selected: HTMLElement | null = null;
  #named: HTMLElement | null = null;

  constructor(readonly root: HTMLElement) {}

  get cells(): readonly Cell[] {
    return this.#cells;
  }

  /** Show these cells; elements stay as far as the text does. */
  show(cells: readonly Cell[], look: (token: number) => Look, lanes: LaneSize, compact: boolean): void {
    this.#cells = cells;
    this.#build();
    cells.forEach((cell, i) => {
      const element = this.elements[i];
      if (element) dress(element, look(cell.token), lanes, compact);
    });
  }

  #build(): void {
    const words = groups(this.#cells);
    const keys = words.map((word) => JSON.stringify(word.map((i) => [this.#cells[i]?.token, this.#cells[i]?.drawn])));
    let same = 0;
    while (same < keys.length && keys[same] === this.#groups[same]?.key) same++;
    if (same === keys.length && same === this.#groups.length) return;
    for (const { nodes } of this.#groups.splice(same)) for (const each of nodes) this.root.removeChild(each);
    for (let n = same; n < words.length; n++) this.#groups.push(this.#group(words[n] as number[], keys[n] as string));
    this.root.append(...this.#groups.slice(same).flatMap(({ nodes }) => nodes));
    this.elements = this.#groups.flatMap(({ elements }) => elements);
    this.#index = new Map(this.elements.map((element, i) => [element, i]));
  }

  #group(word: readonly number[], key: string): Group {
    const elements = word.map((i) => tokenElement(this.#cells[i] as Cell));
    const nodes: Node[] = elements.length === 1 ? [...elements] : [this.#word(word, elements)];
    if (this.#cells[word.at(-1) as number]?.drawn.breaks) nodes.push(document.createElement("br"));
    return { key, nodes, elements };
  }

  /** The pieces of a word; those of one character under a bracket. */
  #word(group: readonly number[], elements: readonly HTMLElement[]): HTMLElement {
    const word = node("span", "wd");
    word.setAttribute("role", "presentation");
    let bracket: HTMLElement | null = null;
    group.forEach((i, n) => {
      const { cut } = (this.#cells[i] as Cell).drawn;
      if (cut === 1) {
        bracket = word.appendChild(node("span", "by"));
        bracket.setAttribute("role", "presentation");
      }
      if (cut === 0) bracket = null;
      (bracket ?? word).append(elements[n] as HTMLElement);
    });
    return word;
  }

  /** Frame one token. */
  select(token: number): HTMLElement | null {
    const element = this.#of(token);
    if (element !== this.#selected) this.#selected?.classList.remove("sel");
    this.#selected = element;
    element?.classList.add("sel");
    return element;
  }

  /** Which cell an event hit, -1 for none. */
  hit(event: Event): number {
    for (const target of event.composedPath()) {
      if (target === this.root) break;
      const i = this.#index.get(target as Element);
      if (i !== undefined) return i;
    }
    return -1;
  }

  /** Tokens on the line of a token, for the compact form. */
  markLine(token: number): void {
    const i = this.#cells.findIndex((cell) => cell.token === token);
    const middle = (element: HTMLElement | undefined): number => {
      const box = element?.getBoundingClientRect();
      return box ? box.top : Number.NaN;
    };
    const tops = this.elements.map(middle);
    this.elements.forEach((element, n) => {
      element.classList.toggle("on", Math.abs((tops[n] ?? 0) - (tops[i] ?? Number.NaN)) < 6);
    });
  }

  /** What a screen reader hears of a token. */
  name(token: number, words: string): void {
    // What was said of another belongs to an older picture.
    const element = this.#of(token);
    if (element !== this.#named) this.#named?.removeAttribute("aria-label");
    this.#named = element;
    element?.setAttribute("aria-label", words);
  }

  #of(token: number): HTMLElement | null {
    return this.elements[this.#cells.findIndex((cell) => cell.token === token)] ?? null;
  }

  /** The cell above or below the cell of a token, -1 at the edge. */
  neighbour(token: number, below: boolean): number {
    const from = this.elements[this.#cells.findIndex((cell) => cell.token === token)]?.getBoundingClientRect();
    if (!from) return -1;
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    this.elements.forEach((element, i) => {
      const box = element.getBoundingClientRect();
      const dy = below ? box.top - from.top : from.top - box.top;
      const distance = dy * 1000 + Math.abs((box.left + box.right - from.left - from.right) / 2);
      if (dy > 8 && distance < least) [least, best] = [distance, i];
    });
    return best;
  }

  /** Place of a caret before character `offset`, relative to the strip. */
  place(offset: number): { x: number; y: number; height: number } {
    let i = this.#cells.findIndex((cell) => offset > cell.start && offset <= cell.end);
    if (i < 0) i = this.#cells.findIndex((cell) => cell.start === offset && cell.end > offset);
    const cell = this.#cells[i];
    const element = this.elements[i] ?? this.elements.at(-1);
    const base = this.root.getBoundingClientRect();
    if (!element) return { x: 0, y: 0, height: 24 };
    const box = element.getBoundingClientRect();
    const inside = cell ? offset - cell.start - (cell.drawn.gap ? 1 : 0) : Number.POSITIVE_INFINITY;
    if (cell?.drawn.breaks && inside > 0)
      return { x: 0, y: box.bottom - base.top + (this.pitch() - box.height) + 4, height: 24 };
    return { x: edge(element, inside, box) - base.left, y: box.top - base.top + 4, height: box.height - 8 };
  }

  /** Height of a line with its lanes. */
  pitch(): number {
    const style = this.elements[0] ? getComputedStyle(this.elements[0]) : null;
    return (
      (this.elements[0]?.getBoundingClientRect().height ?? 0) + (style ? Number.parseFloat(style.marginBottom) || 0 : 0)
    );
  }

  /** Character offset nearest to a point on the screen. */
  offsetAt(x: number, y: number): number {
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    this.elements.forEach((element, i) => {
      const box = element.getBoundingClientRect();
      const dx = x < box.left ? box.left - x : x > box.right ? x - box.right : 0;
      const dy = y < box.top ? box.top - y : y > box.bottom + 8 ? y - box.bottom - 8 : 0;
      const distance = dy * 1000 + dx;
      if (distance < least) [least, best] = [distance, i];
    });
    const cell = this.#cells[best];
    const element = this.elements[best];
    if (!cell || !element) return 0;
    const box = element.getBoundingClientRect();
    const length = cell.end - cell.start;
    for (let k = 0; k < length; k++) {
      const gap = cell.drawn.gap ? 1 : 0;
      const [left, right] = [edge(element, k - gap, box), edge(element, k + 1 - gap, box)];
      if (x < (left + right) / 2) return cell.start + k;
    }
    return cell.drawn.breaks ? cell.end - 1 : cell.end;
  }
}

/** Left edge of the k-th character inside a token; marks count as one. */
function edge(element: HTMLElement, k: number, box: DOMRect): number {
  if (k < 0) return box.left - 4;
  let rest = k;
  for (const child of element.childNodes) {
    const text =
      child.nodeType === Node.TEXT_NODE ? child : (child as HTMLElement).className === "sign" ? child.firstChild : null;
    if (!text) continue;
    const length = text.textContent?.length ?? 0;
    if (rest <= length && !element.classList.contains("spec")) {
      const range = document.createRange();
      range.setStart(text, Math.min(rest, length));
      range.setEnd(text, Math.min(rest, length));
      return range.getBoundingClientRect().left || box.right;
    }
    rest -= length;
  }
  return k <= 0 ? box.left : box.right;
}
