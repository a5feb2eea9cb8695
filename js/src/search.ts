// Finding features without a model: by index in the dictionary in view, or by words of a label the payload has.
import type { HeatmapState } from "./model";

export interface Found {
  id: string;
  label: string;
}

export const MOST = 20;

/** What the payload itself can answer. */
export function searchHere(state: HeatmapState, query: string): Found[] {
  const text = query.trim();
  const found = new Map<string, string>();
  const site = state.siteView.value;
  const sites = state.payload.value?.sites ?? [];
  if (text === "") return [];
  const whole = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (site && whole >= 0 && whole < site.width) found.set(`${site.key}/${whole}`, "");
  const slash = text.lastIndexOf("/");
  const named = sites.find((other) => other.key === text.slice(0, slash));
  if (named && /^\d{1,9}$/.test(text.slice(slash + 1)) && Number(text.slice(slash + 1)) < named.width)
    found.set(text, "");
  const words = text.toLowerCase().split(/\s+/);
  for (const [id, label] of state.labels.value) {
    const lower = label.toLowerCase();
    if (found.has(id) || (lower && words.every((word) => lower.includes(word)))) found.set(id, label);
  }
  return [...found].slice(0, MOST).map(([id, label]) => ({ id, label: label || state.labels.value.get(id) || "" }));
}

/** Hits of Python behind our own, each once. */
export function merge(here: readonly Found[], there: unknown): Found[] {
  const found = new Map(here.map((hit) => [hit.id, hit]));
  for (const hit of Array.isArray(there) ? there : []) {
    if (typeof hit?.id === "string")
      found.set(hit.id, { id: hit.id, label: typeof hit.label === "string" ? hit.label : "" });
  }
  return [...found.values()].slice(0, MOST);
}
