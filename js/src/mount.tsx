// Draws a view into an element: an open shadow root of its own, so that host and widget never restyle each other.
import { effect } from "@preact/signals";
import { type ComponentChild, render } from "preact";
import { BASE } from "./css";
import { colors } from "./palette";
import type { AnyModel, Picture } from "./picture";
import { followHost } from "./theme";
import { wear } from "./wear";
import * as words from "./words/frame";

/** The part of anywidget's host that we use: other models of the same kernel. */
export interface Host {
  getModel(ref: string): Promise<AnyModel>;
}

/** Starts a view: its state, and what draws it. */
export type Draw = (
  model: AnyModel,
  root: HTMLElement,
  ended: AbortSignal,
  host?: Host,
) => { state: Picture; element: ComponentChild };

export interface Place {
  model: AnyModel;
  el: HTMLElement;
  signal?: AbortSignal;
  host?: Host;
  /** Given the state of the view, for a page whose views follow each other. */
  seen?: (state: Picture) => void;
}

/** Draw `model` into `el` until `signal` aborts, by the view that it names. */
export function mount({ model, el, signal, host: others, seen }: Place, views: ReadonlyMap<string, Draw>): () => void {
  const ended = new AbortController();
  const host = document.createElement("div");
  host.className = "saewidgets";
  host.dataset.lmSuppressShortcuts = "true";
  const shadow = host.attachShadow({ mode: "open" });
  const root = document.createElement("div");
  root.className = "sw";
  root.dataset.lmSuppressShortcuts = "true";
  shadow.append(root);
  wear(root, [...BASE, colors]);
  el.replaceChildren(host);

  root.classList.toggle("mono", model.get("text_face") === "mono");
  theme(model, host, root, ended.signal);
  const drawn = views.get(String(model.get("_view")))?.(model, root, ended.signal, others);
  render(drawn ? drawn.element : <p class="er">{words.newerView}</p>, root);
  if (drawn) seen?.(drawn.state);
  const stop = effect(() => {
    host.dataset.busy = String(drawn?.state.requests.busy.value ?? false);
  });

  const end = () => {
    if (ended.signal.aborted) return;
    ended.abort();
    stop();
    drawn?.state.close();
    render(null, root);
    host.remove();
  };
  signal?.addEventListener("abort", end);
  if (signal?.aborted) end();
  return end;
}

function theme(model: AnyModel, host: HTMLElement, root: HTMLElement, signal: AbortSignal): void {
  let hostDark = false;
  const update = () => {
    const wanted = model.get("theme");
    root.classList.toggle("dark", wanted === "dark" || (wanted !== "light" && hostDark));
  };
  model.on("change:theme", update);
  signal.addEventListener("abort", () => model.off("change:theme", update));
  followHost(
    host,
    (dark) => {
      hostDark = dark;
      update();
    },
    signal,
  );
}
