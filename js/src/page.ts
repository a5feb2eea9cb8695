// A view in an exported page: the payload is in the page, the state is local, nothing is asked of anyone.

import { follow } from "./follow";
import { type Draw, mount } from "./mount";
import type { AnyModel, Picture } from "./picture";

type Listener = (...values: unknown[]) => void;

/** A model without a kernel: traits in a map. */
export class PageModel implements AnyModel {
  #values: Map<string, unknown>;
  #listeners = new Map<string, Set<Listener>>();

  constructor(values: Iterable<[string, unknown]>) {
    this.#values = new Map(values);
  }

  get(name: string): unknown {
    return this.#values.get(name);
  }

  set(name: string, value: unknown): void {
    if (this.#values.get(name) === value) return;
    this.#values.set(name, value);
    this.emit(`change:${name}`);
  }

  protected emit(event: string, ...values: unknown[]): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(...values);
  }

  save_changes(): void {}

  send(_content: unknown): void {}

  on(event: string, listener: Listener): void {
    const all = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, all.add(listener));
  }

  off(event: string, listener?: Listener): void {
    if (listener) this.#listeners.get(event)?.delete(listener);
    else this.#listeners.delete(event);
  }
}

/** Bytes of base64 text; white space is ignored. */
export function fromBase64(text: string): Uint8Array {
  const raw = atob(text.replace(/\s+/g, ""));
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

const OPTIONS: Record<string, readonly string[]> = {
  theme: ["auto", "light", "dark"],
  text_face: ["serif", "mono"],
  lanes: ["full", "compact"],
};

/** Options of the page, known words only. */
export function options(text: string): [string, unknown][] {
  let given: unknown = {};
  try {
    given = JSON.parse(text || "{}");
  } catch {
    // Defaults draw the picture too.
  }
  return Object.entries(OPTIONS).flatMap(([name, words]) => {
    const value =
      typeof given === "object" && given !== null && Object.hasOwn(given, name)
        ? (given as Record<string, unknown>)[name]
        : null;
    return typeof value === "string" && words.includes(value) ? [[name, value] as [string, unknown]] : [];
  });
}

/** Text of an inert element of the page, "" where there is none. */
export const textOf = (page: Document, id: string): string => page.getElementById(id)?.textContent ?? "";

const plainModel = (values: [string, unknown][]): PageModel => new PageModel(values);

/** Draw the payload of `#saewidgets-payload` into `#saewidgets`; the static picture there stays when that fails. */
export function start(page: Document, view: string, draw: Draw, make = plainModel): void {
  const el = page.getElementById("saewidgets");
  const data = textOf(page, "saewidgets-payload");
  if (el && data) mount({ model: make(valuesOf(page, view, data)), el }, new Map([[view, draw]]));
}

/** Draw every view of a report: each element that is marked, from the payload that follows it; the linked ones follow. */
export function startAll(page: Document, views: ReadonlyMap<string, Draw>): void {
  const links = new Map<string, Picture[]>();
  for (const el of page.querySelectorAll<HTMLElement>("[data-saewidgets]")) {
    const view = el.dataset.saewidgets ?? "";
    const data = el.nextElementSibling?.textContent;
    const seen = (state: Picture) => {
      for (const link of (el.dataset.link ?? "").split(" ")) links.set(link, [...(links.get(link) ?? []), state]);
    };
    if (data) mount({ model: plainModel(valuesOf(page, view, data)), el, seen }, views);
  }
  // "token-0": the word, and which of the page's links it is.
  for (const [link, states] of links) {
    const word = link.split("-")[0];
    if (word === "token" || word === "feature") follow(states, word);
  }
}

const valuesOf = (page: Document, view: string, data: string): [string, unknown][] => [
  ["_view", view],
  ["_payload", fromBase64(data)],
  ["_revision", 1],
  ["live", false],
  ...options(textOf(page, "saewidgets-options")),
];
