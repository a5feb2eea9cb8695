// Scrolling a list of any length: a page is at most so many px high, so a long list moves under its scroll bar.

/** What browsers scroll without rounding. */
export const MOST = 4_000_000;

export interface Window {
  first: number;
  /** From a row's place times its height to px on the page. */
  shift: number;
}

export class Scroller {
  #offset = 0;
  #last = 0;

  constructor(
    readonly n: number,
    readonly row: number,
    readonly view: number,
  ) {}

  get total(): number {
    return this.n * this.row;
  }

  /** Height of the page. */
  get space(): number {
    return Math.min(this.total, MOST);
  }

  get #maxOffset(): number {
    return Math.max(0, this.total - this.view);
  }

  get #maxTop(): number {
    return Math.max(0, this.space - this.view);
  }

  /** Where the page was scrolled to; small steps are what they are, large ones a share of the whole. */
  moved(top: number): Window {
    const step = top - this.#last;
    this.#last = top;
    if (this.total <= MOST) this.#offset = top;
    else if (top <= 0) this.#offset = 0;
    else if (top >= this.#maxTop - 1) this.#offset = this.#maxOffset;
    else if (Math.abs(step) <= 2 * this.view) this.#offset = this.#clamped(this.#offset + step);
    else this.#offset = (top / this.#maxTop) * this.#maxOffset;
    return this.window(top);
  }

  /** Scroll so that a row is first; returns where the page must go. */
  to(place: number): number {
    this.#offset = this.#clamped(place * this.row);
    this.#last = this.total <= MOST ? this.#offset : (this.#offset / Math.max(1, this.#maxOffset)) * this.#maxTop;
    return this.#last;
  }

  /** The page rounds where it was told to go. */
  settled(top: number): Window {
    this.#last = top;
    if (this.total <= MOST) this.#offset = top;
    return this.window(top);
  }

  window(top: number): Window {
    return { first: Math.floor(this.#offset / this.row), shift: Math.round(top - this.#offset) };
  }

  #clamped(offset: number): number {
    return Math.max(0, Math.min(this.#maxOffset, offset));
  }
}
