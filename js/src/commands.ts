// What keys do; the help shows a table of them.
import type { HeatmapState } from "./model";
import type { View } from "./view";

/** A site's key in its parts: "resid_post.2@small". */
export function siteParts(key: string): { stream: string; layer: string; name: string } {
  const [place = "", name = ""] = key.split("@");
  const dot = place.lastIndexOf(".");
  return dot < 0
    ? { stream: place, layer: "", name }
    : { stream: place.slice(0, dot), layer: place.slice(dot + 1), name };
}

/** The site with other parts, the nearest there is. */
export function siteWith(state: HeatmapState, change: Partial<ReturnType<typeof siteParts>>): string {
  const wanted = { ...siteParts(state.site.value), ...change };
  const keys = (state.payload.value?.sites ?? []).map((site) => site.key);
  const fits = (key: string, ...names: ("stream" | "layer" | "name")[]) =>
    names.every((n) => siteParts(key)[n] === wanted[n]);
  return (
    keys.find((key) => fits(key, "stream", "layer", "name")) ??
    keys.find((key) =>
      fits(key, ...(change.layer === undefined ? (["stream"] as const) : (["stream", "layer"] as const))),
    ) ??
    state.site.value
  );
}

/** One layer down or up in the same stream. */
export function moveLayer(state: HeatmapState, by: number): void {
  const { stream, layer } = siteParts(state.site.value);
  const sites = state.payload.value?.sites ?? [];
  const layers = [
    ...new Set(
      sites
        .map((s) => siteParts(s.key))
        .filter((p) => p.stream === stream)
        .map((p) => p.layer),
    ),
  ];
  const next = layers[layers.indexOf(layer) + by];
  if (next !== undefined) state.setSite(siteWith(state, { layer: next }));
}

/** Ids of the strongest features at a token of the site in view. */
export function strongestAt(state: HeatmapState, token: number, n: number): string[] {
  const site = state.siteView.value;
  if (!site) return [];
  const start = site.strongest.indptr[token] ?? 0;
  const end = Math.min(site.strongest.indptr[token + 1] ?? start, start + n);
  return [...site.strongest.index.slice(start, end)].map((index) => `${site.key}/${index}`);
}

/** Keys that act while the strip has focus; returns whether the key was one. */
export function stripKey(view: View, event: KeyboardEvent): boolean {
  const { state } = view;
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const { key } = event;
  const at = state.selection.value;
  const slot = key.length === 1 ? key.charCodeAt(0) - 97 : -1;
  const feature = slot >= 0 && slot < 8 ? state.features.value.find((f) => f.slot === slot) : undefined;
  if (key === "ArrowRight") state.select(at + 1);
  else if (key === "ArrowLeft") state.select(at - 1);
  else if (key === "Home") state.select(0);
  else if (key === "End") state.select(Number.MAX_SAFE_INTEGER);
  else if (key === " ") state.addFeatures(strongestAt(state, at, 1));
  else if (key === "[") moveLayer(state, -1);
  else if (key === "]") moveLayer(state, 1);
  else if (feature) state.setFill(feature.id);
  else return false;
  return true;
}

/** Keys that act anywhere in the view but in text fields. */
export function viewKey(view: View, event: KeyboardEvent): boolean {
  const target = event.composedPath()[0] as HTMLElement;
  if (target.tagName === "TEXTAREA" || (target.tagName === "INPUT" && (target as HTMLInputElement).type !== "range"))
    return false;
  const { state } = view;
  const command = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (command && !event.altKey && (key === "z" || key === "y")) {
    const redo = key === "y" || event.shiftKey;
    if (state.live.value && (redo ? state.redoDepth : state.undoDepth).value > 0)
      state.requests.step(redo ? "redo" : "undo");
  } else if (command || event.altKey) return false;
  else if (key === "/") view.focusSearch();
  else if (key === "?") view.help.value = !view.help.value;
  else if (key === "escape" && (view.help.value || view.hover.value)) {
    view.help.value = false;
    view.hover.value = null;
  } else return false;
  return true;
}
