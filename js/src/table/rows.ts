// Rows of the present order: windows are asked from Python as they scroll into view; of another order none is kept.
import { signal } from "@preact/signals";
import { bytesOf, decode } from "../decode";
import { ROWS } from "../kinds/table";
import type { TableRows } from "../payloads";
import type { Failure, Requests } from "../requests";
import * as common from "../words/common";
import * as words from "../words/table";

/** One row: where it stands in the record that holds it. */
export interface Row {
  rows: TableRows;
  at: number;
}

/** Rows asked for at a time, and how many of these are kept. */
export const CHUNK = 80;
const KEPT = 120;

export class RowStore {
  /** Rises when rows arrive. */
  readonly version = signal(0);
  #chunks = new Map<number, TableRows>();
  #first: TableRows | null = null;
  #order = -1;
  #wanted: [number, number] = [0, 0];
  #asking = false;

  constructor(private readonly requests: Requests) {}

  /** Begin with the rows of a picture; what is known of another order goes. */
  begin(rows: TableRows): void {
    if (rows.order !== this.#order) this.#chunks.clear();
    this.#first = rows;
    this.#order = rows.order;
    this.version.value++;
  }

  /** A row by its place, `null` while it is on its way. */
  get(place: number): Row | null {
    const first = this.#first;
    if (first && place >= first.start && place < first.start + first.index.length)
      return { rows: first, at: place - first.start };
    const rows = this.#chunks.get(Math.floor(place / CHUNK));
    const at = place % CHUNK;
    return rows && at < rows.index.length ? { rows, at } : null;
  }

  /** Make rows from `first` up to `end` known; the newest wish wins. */
  need(first: number, end: number): void {
    this.#wanted = [first, end];
    if (!this.#asking) this.#ask();
  }

  async #ask(): Promise<void> {
    const chunk = this.#missing();
    if (chunk < 0) return;
    this.#asking = true;
    const order = this.#order;
    try {
      const { buffers } = await this.requests.ask({ type: "rows", order, start: chunk * CHUNK, count: CHUNK });
      const rows = decode(bytesOf(buffers[0]), ROWS);
      // Rows of an order that has gone are not shown under the places of another.
      if (rows.order === this.#order && rows.start === chunk * CHUNK) this.#keep(chunk, rows);
    } catch (failure) {
      if (order === this.#order && (failure as Failure).what !== common.stopped) {
        this.requests.failure.value = failureOf(failure);
        this.#asking = false;
        return;
      }
    }
    this.#asking = false;
    this.#ask();
  }

  #missing(): number {
    const [first, end] = this.#wanted;
    for (let place = first; place < end; place++) {
      if (!this.get(place)) {
        const chunk = Math.floor(place / CHUNK);
        // An answer shorter than asked for has no more.
        if (!this.#chunks.has(chunk)) return chunk;
        place = (chunk + 1) * CHUNK - 1;
      }
    }
    return -1;
  }

  #keep(chunk: number, rows: TableRows): void {
    this.#chunks.set(chunk, rows);
    for (const old of this.#chunks.keys()) {
      if (this.#chunks.size <= KEPT) break;
      this.#chunks.delete(old);
    }
    this.version.value++;
  }
}

const failureOf = (failure: unknown): Failure =>
  typeof (failure as Failure).what === "string"
    ? (failure as Failure)
    : { what: failure instanceof Error ? failure.message : String(failure), todo: words.scrollOn };
