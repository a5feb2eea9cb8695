// One token as an element: text nodes only; classes are made of integers, sizes are clamped numbers.
import type { Cell } from "../cells";
import { hue } from "../palette";

/** A bar in a lane under a token. */
export interface Bar {
  lane: number;
  slot: number;
  /** Share of the feature's maximum, 0 to 1. */
  share: number;
  gone: boolean;
}

/** How a token looks beyond its text. */
export interface Look {
  fill: string;
  top: string;
  changed: boolean;
  differs?: boolean;
  pointed?: boolean;
  bars: readonly Bar[];
}

export interface LaneSize {
  count: number;
  pitch: number;
  height: number;
}

/** Lanes are 6 px high, beyond four 4 px. */
export const laneSize = (count: number): LaneSize => ({ count, pitch: count > 4 ? 6 : 8, height: count > 4 ? 4 : 6 });

/** An element with a class and text. */
export function node<K extends keyof HTMLElementTagNameMap>(tag: K, name: string, text = ""): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text) element.append(text);
  return element;
}

/** The element of a cell, without its look. */
export function tokenElement({ drawn, token }: Cell): HTMLElement {
  const only = drawn.runs.length === 1 ? drawn.runs[0] : undefined;
  const framed = only?.kind === "mark";
  const element = node("span", "t");
  element.setAttribute("role", token < 0 ? "presentation" : "option");
  const classes = ["t"];
  if (drawn.gap) classes.push("gap");
  if (framed) classes.push("spec");
  if (token < 0) classes.push("unread");
  element.className = classes.join(" ");
  for (const run of drawn.runs) {
    if (framed) element.append(`‹${run.text}›`);
    else if (run.kind === "text") element.append(run.text);
    else element.append(node("span", run.kind, run.kind === "mark" ? `‹${run.text}›` : run.text));
  }
  return element;
}

// What each token was last dressed in: at a key press nearly all of them stay as they are.
const worn = new WeakMap<HTMLElement, string>();

/** Set fill, marks and lanes of a token; touches only what differs. */
export function dress(element: HTMLElement, look: Look, lanes: LaneSize, dots: boolean): void {
  const wanted = JSON.stringify([look, lanes, dots]);
  if (worn.get(element) === wanted) return;
  worn.set(element, wanted);
  const kept = [...element.classList].filter((name) => ["t", "gap", "spec", "unread", "sel", "on"].includes(name));
  const name = [
    ...kept,
    look.fill && `filled ${look.fill}`,
    look.changed ? "ch" : "",
    look.differs ? "differs" : "",
    look.pointed ? "pt" : "",
  ]
    .filter(Boolean)
    .join(" ");
  if (element.className !== name) element.className = name;
  let box = element.querySelector<HTMLElement>(":scope > .ln");
  if (lanes.count === 0) {
    box?.remove();
    dot(element, look, false);
    return;
  }
  if (!box) {
    box = node("span", "ln");
    element.append(box);
  }
  while (box.children.length > look.bars.length) box.lastElementChild?.remove();
  look.bars.forEach((bar, i) => {
    const item = (box.children[i] as HTMLElement | undefined) ?? box.appendChild(node("i", ""));
    const height = Math.max(bar.gone ? 4 : 2, Math.round(Math.min(1, Math.max(0, bar.share)) * lanes.height));
    const wanted = `${hue(bar.slot)}${bar.gone ? " gone" : ""}`;
    if (item.className !== wanted) item.className = wanted;
    item.style.setProperty("height", `${height}px`);
    item.style.setProperty("top", `${lanes.pitch * bar.lane + lanes.pitch - 1 - height}px`);
  });
  dot(element, look, dots);
}

/** The compact form: small dots instead of lanes, and the fill before the edit on the top edge. */
function dot(element: HTMLElement, look: Look, wanted: boolean): void {
  element.querySelector(":scope > .dots")?.remove();
  element.querySelector(":scope > .was")?.remove();
  if (look.top) element.append(node("span", `was ${look.top}`));
  if (!wanted || look.bars.length === 0) return;
  const row = node("span", "dots");
  for (const bar of look.bars) row.append(node("i", `${hue(bar.slot)}${bar.gone ? " gone" : ""}`));
  element.append(row);
}
