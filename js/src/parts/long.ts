// A long prompt in plain DOM: blocks of text, of which those near the window are cut into tokens.
//
// A span for each of 100,000 tokens takes seconds; a block of text takes nothing, and select-all, find and copy still
// see every character. Chromium hides text in `content-visibility: auto` from the accessibility tree, so that is only
// for the first paint and is taken away in idle time, slice by slice.
import { PLAIN, SPECIAL, SPLIT, type Tokens } from "../payloads";
import { asText, draw } from "../signs";
import { node } from "./token";

const BLOCK = 256;
/** Blocks that are cut into tokens before the first paint: more than a window holds. */
const FIRST = 3;
/** Blocks made visible in one idle slice; their layout comes in one frame, so time is no measure. */
const SLICE = 16;
const REST = 250;
const NEAR = "300px";
const SIMPLE = /^ ?[!-~]+$/;

interface Block {
  element: HTMLElement;
  first: number;
  spans: HTMLElement[] | null;
}

export class LongText {
  #blocks: Block[] = [];
  #texts: string[] = [];
  #starts = new Uint32Array(0);
  #tokens: Tokens | null = null;
  #prompt = "";
  #index = new WeakMap<Element, number>();
  #name: (token: number) => string = () => "";
  #selected: HTMLElement | null = null;
  #selection = -1;
  #observer: IntersectionObserver | null = null;
  #ended = new AbortController();
  #lastInput = 0;
  #idle = 0;

  constructor(readonly box: HTMLElement) {
    const options = { signal: this.#ended.signal, passive: true };
    const input = () => {
      this.#lastInput = performance.now();
    };
    for (const name of ["scroll", "pointermove", "keydown", "wheel"]) box.addEventListener(name, input, options);
    box.addEventListener("copy", (event) => this.#copy(event), { signal: this.#ended.signal });
  }

  /** Show these tokens; `name` gives the class of each. */
  show(tokens: Tokens, prompt: string, name: (token: number) => string): void {
    this.#name = name;
    if (tokens === this.#tokens) {
      this.recolour(name);
      return;
    }
    this.#tokens = tokens;
    this.#prompt = prompt;
    this.#read(tokens);
    this.#build();
  }

  /** Give every drawn token its class; touches only what differs. */
  recolour(name: (token: number) => string): void {
    this.#name = name;
    for (const { first, spans } of this.#blocks) {
      spans?.forEach((span, i) => {
        const wanted = this.#class(first + i);
        if (span.className !== wanted) span.className = wanted;
      });
    }
    this.#selected?.classList.add("sel");
  }

  /** Frame a token, and bring it into the window. */
  select(token: number, scroll: boolean): void {
    const block = this.#blocks[Math.floor(token / BLOCK)];
    this.#selection = token;
    // Before the new block is cut into tokens, which frames the new one.
    this.#selected?.classList.remove("sel");
    this.#selected = null;
    if (!block) return;
    if (scroll || block.spans) this.#hydrate(block);
    this.#selected = block.spans?.[token - block.first] ?? null;
    this.#selected?.classList.add("sel");
    if (scroll) this.#selected?.scrollIntoView({ block: "nearest" });
  }

  /** Bring a token into the window without selecting it. */
  scrollTo(token: number): void {
    const block = this.#blocks[Math.floor(token / BLOCK)];
    if (!block) return;
    const inside = ((token - block.first) / BLOCK) * block.element.offsetHeight;
    this.box.scrollTop = block.element.offsetTop + inside - this.box.clientHeight / 2;
  }

  /** Which token an event hit, -1 for none. */
  hit(event: Event): number {
    return this.#index.get(event.composedPath()[0] as Element) ?? -1;
  }

  element(token: number): HTMLElement | null {
    const block = this.#blocks[Math.floor(token / BLOCK)];
    return block?.spans?.[token - block.first] ?? null;
  }

  /** First and last token in the window, about. */
  window(): [number, number] {
    const { scrollTop, clientHeight } = this.box;
    return [this.#at(scrollTop), this.#at(scrollTop + clientHeight)];
  }

  close(): void {
    this.#ended.abort();
    this.#observer?.disconnect();
    clearTimeout(this.#idle);
  }

  #at(y: number): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#blocks[middle] as Block).element.offsetTop <= y) low = middle;
      else high = middle - 1;
    }
    const block = this.#blocks[low];
    if (!block) return 0;
    const share = (y - block.element.offsetTop) / Math.max(1, block.element.offsetHeight);
    return Math.min(this.#texts.length - 1, Math.round(block.first + Math.max(0, Math.min(1, share)) * BLOCK));
  }

  /** What is drawn for each token, and where it starts in the prompt. */
  #read(tokens: Tokens): void {
    let piece = 0;
    let offset = 0;
    this.#starts = new Uint32Array(tokens.text.length + 1);
    this.#texts = tokens.text.map((text, token) => {
      const kind = tokens.kind[token] ?? PLAIN;
      this.#starts[token] = offset;
      if (kind !== SPECIAL) offset += text.length;
      if (kind === PLAIN && SIMPLE.test(text) && text.length < 64) return text;
      const drawn = draw(text, kind, kind >= SPLIT ? (tokens.pieces[piece++] ?? "") : "");
      return (drawn.gap ? " " : "") + asText(drawn) + (drawn.breaks ? "\n" : "");
    });
    this.#starts[tokens.text.length] = offset;
  }

  #build(): void {
    this.#observer?.disconnect();
    clearTimeout(this.#idle);
    // Both the question and the answer make the browser lay out at once: where nothing was, nothing was scrolled.
    const scrollTop = this.#blocks.length ? this.box.scrollTop : 0;
    this.#blocks = [];
    for (let first = 0; first < this.#texts.length; first += BLOCK) {
      const element = node("div", "blk cv", this.#texts.slice(first, first + BLOCK).join(""));
      element.dataset.first = String(first);
      this.#blocks.push({ element, first, spans: null });
    }
    for (const block of this.#blocks.slice(0, FIRST)) this.#hydrate(block);
    this.box.replaceChildren(...this.#blocks.map((block) => block.element));
    if (scrollTop) this.box.scrollTop = scrollTop;
    const byElement = new Map(this.#blocks.map((block) => [block.element as Element, block]));
    this.#observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          const block = byElement.get(target);
          if (block && isIntersecting) this.#hydrate(block);
          else if (block) this.#dehydrate(block);
        }
      },
      { root: this.box, rootMargin: NEAR },
    );
    for (const { element } of this.#blocks) this.#observer.observe(element);
    this.#reveal(0);
  }

  #class(token: number): string {
    const mark = this.#tokens?.kind[token] === SPECIAL ? "k mk " : "k ";
    return mark + this.#name(token);
  }

  /** Cut a block into tokens; spans without padding do not move the text. */
  #hydrate(block: Block): void {
    if (block.spans) return;
    const parts: (Node | string)[] = [];
    block.spans = this.#texts.slice(block.first, block.first + BLOCK).map((text, i) => {
      const gap = text.startsWith(" ") ? 1 : 0;
      const end = text.endsWith("\n") ? text.length - 1 : text.length;
      const span = node("span", this.#class(block.first + i), text.slice(gap, end));
      this.#index.set(span, block.first + i);
      if (gap) parts.push(" ");
      parts.push(span);
      if (end < text.length) parts.push("\n");
      return span;
    });
    block.element.replaceChildren(...parts);
    const selected = block.spans[this.#selection - block.first];
    if (selected) {
      this.#selected = selected;
      selected.classList.add("sel");
    }
  }

  #dehydrate(block: Block): void {
    // Taking nodes away would take a selection away.
    if (!block.spans || this.#range()) return;
    if (this.#selected && block.spans.includes(this.#selected)) return;
    block.spans = null;
    block.element.replaceChildren(this.#texts.slice(block.first, block.first + BLOCK).join(""));
  }

  /** Take `content-visibility` away, some blocks at a time, never while someone scrolls or points. */
  #reveal(from: number): void {
    if (this.#ended.signal.aborted || from >= this.#blocks.length) return;
    const resting = performance.now() - this.#lastInput > REST;
    if (resting) for (const { element } of this.#blocks.slice(from, from + SLICE)) element.classList.remove("cv");
    const next = resting ? from + SLICE : from;
    this.#idle = window.setTimeout(
      () => ("requestIdleCallback" in window ? requestIdleCallback(() => this.#reveal(next)) : this.#reveal(next)),
      resting ? 8 : REST,
    );
  }

  /** The selection inside the box, as a range. */
  #range(): StaticRange | Range | null {
    const root = this.box.getRootNode() as ShadowRoot & { getSelection?: () => Selection | null };
    const selection = document.getSelection() as
      | (Selection & { getComposedRanges?: (options: { shadowRoots: ShadowRoot[] }) => StaticRange[] })
      | null;
    const range =
      root instanceof ShadowRoot && selection?.getComposedRanges
        ? selection.getComposedRanges({ shadowRoots: [root] })[0]
        : (root.getSelection?.() ?? selection)?.rangeCount
          ? (root.getSelection?.() ?? selection)?.getRangeAt(0)
          : undefined;
    return range && !range.collapsed && this.box.contains(range.startContainer) ? range : null;
  }

  /** Copying copies the prompt's own characters, not their drawing. */
  #copy(event: ClipboardEvent): void {
    const range = this.#range();
    if (!range) return;
    const start = this.#source(range.startContainer, range.startOffset);
    const end = this.#source(range.endContainer, range.endOffset);
    event.clipboardData?.setData("text/plain", this.#prompt.slice(start, end));
    event.preventDefault();
  }

  /** Offset in the prompt of a place in the drawing. */
  #source(container: Node, offset: number): number {
    const block = this.#blocks.find(({ element }) => element.contains(container));
    if (!block) {
      // Between blocks, or outside: everything before, or everything.
      const child = container === this.box ? this.#blocks[offset] : undefined;
      if (child) return this.#starts[child.first] ?? 0;
      return container === this.box || !this.box.contains(container) ? (this.#starts.at(-1) ?? 0) : 0;
    }
    const range = document.createRange();
    range.setStart(block.element, 0);
    range.setEnd(container, offset);
    let rest = range.toString().length;
    for (let token = block.first; token < block.first + BLOCK && token < this.#texts.length; token++) {
      const drawn = (this.#texts[token] as string).length;
      const [start, end] = [this.#starts[token] as number, this.#starts[token + 1] as number];
      if (rest < drawn) return Math.min(end, start + rest);
      rest -= drawn;
    }
    return this.#starts[Math.min(block.first + BLOCK, this.#texts.length)] ?? 0;
  }
}
