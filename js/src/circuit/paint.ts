// Draws a circuit on canvases: edges strongest first in slices, nodes above, what is in hand on top.
import { letter } from "../palette";
import { type CircuitPayload, ERROR, FEATURE, GONE, NEW, shareOf, sideOf } from "./kinds";
import { LETTERED, type Places } from "./layout";
import type { Shown } from "./prune";

/** Edges a frame. Browsers raster later than they are told, so counting milliseconds would not bound a frame. */
const SLICE = 4_000;
/** Fewer with the nodes, so that there is something to see soon. */
const FIRST = 2_000;
/** Shares above which an edge is drawn darker, and how dark. */
const BOLD: readonly [number, number, number][] = [
  [0.3, 0.45, 1.2],
  [0.15, 0.36, 1.1],
  [0.07, 0.3, 1],
  [0.03, 0.24, 1],
  [0.01, 0.17, 0.8],
  [0, 0.1, 0.8],
];
/** More edges than this are straight, so that drawing them keeps pace. */
const CURVED = 6_000;

export interface View {
  /** Zoom, and where the sheet's corner is. */
  k: number;
  x: number;
  y: number;
}

export interface Scene {
  payload: CircuitPayload;
  places: Places;
  shown: Shown;
  side: string;
  slots: ReadonlyMap<number, number>;
  edited: ReadonlySet<number>;
}

export interface Hand {
  selected: number;
  hovered: number;
  picked: readonly number[];
  /** Edges that are drawn in effect colours, and how visible. */
  edges: readonly [number, number][];
}

/** Colours of the theme, read where the view is drawn. */
type Colors = (name: string) => string;

export function colorsOf(element: Element): Colors {
  const style = getComputedStyle(element);
  const known = new Map<string, string>();
  return (name) => {
    let color = known.get(name);
    if (color === undefined) {
      color = style.getPropertyValue(`--${name}`).trim() || "#888";
      known.set(name, color);
    }
    return color;
  };
}

function prepare(
  canvas: HTMLCanvasElement,
  places: Places,
  view: View,
  scale: number,
): CanvasRenderingContext2D | null {
  const [wide, tall] = [Math.round(places.width * scale), Math.round(places.height * scale)];
  if (canvas.width !== wide || canvas.height !== tall) {
    canvas.width = wide;
    canvas.height = tall;
  }
  const pen = canvas.getContext("2d");
  if (!pen) return null;
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, wide, tall);
  pen.setTransform(scale * view.k, 0, 0, scale * view.k, scale * view.x, scale * view.y);
  return pen;
}

function trace(pen: CanvasRenderingContext2D, { places, payload }: Scene, e: number, curved: boolean): void {
  const [s, t] = [payload.source[e] as number, payload.target[e] as number];
  const [x1, y1, x2, y2] = [places.x[s], places.y[s], places.x[t], places.y[t]] as [number, number, number, number];
  pen.moveTo(x1, y1);
  if (curved) pen.bezierCurveTo(x1, y1 + 0.45 * (y2 - y1), x2, y2 - 0.55 * (y2 - y1), x2, y2);
  else pen.lineTo(x2, y2);
}

/** Paints slices of edges until all are there or it is told to stop. */
export class Edges {
  #frame = 0;

  constructor(private readonly canvas: HTMLCanvasElement) {}

  stop(): void {
    cancelAnimationFrame(this.#frame);
  }

  paint(scene: Scene, view: View, scale: number, colors: Colors, done: () => void = () => {}): void {
    this.stop();
    const pen = prepare(this.canvas, scene.places, view, scale);
    if (!pen) return;
    const { edges } = scene.shown;
    const curved = edges.length <= CURVED;
    // The share in the target's input is what makes an edge dark, so buckets are of it.
    const side = sideOf(scene.payload, scene.side);
    const other = scene.side === "both" ? scene.payload.before : null;
    // Thousands of lines over each other would be a block.
    const faint = Math.min(1, (800 / Math.max(1, edges.length)) ** 0.3);
    let at = 0;
    const slice = () => {
      const first = at === 0;
      const end = Math.min(edges.length, at + (first ? FIRST : SLICE));
      const buckets: number[][] = BOLD.map(() => []);
      for (; at < end; at++) {
        const e = edges[at] as number;
        let share = Math.abs(shareOf(scene.payload, side, e));
        if (other) share = Math.max(share, Math.abs(shareOf(scene.payload, other, e)));
        buckets[BOLD.findIndex(([least]) => share >= least)]?.push(e);
      }
      pen.strokeStyle = colors("control");
      BOLD.forEach(([, alpha, wide], i) => {
        if (!buckets[i]?.length) return;
        pen.globalAlpha = alpha * faint;
        // Of so many, lines of more than a pixel take browsers several times as long.
        pen.lineWidth = (curved ? wide : Math.min(1 / scale, wide)) / view.k;
        pen.beginPath();
        for (const e of buckets[i] ?? []) trace(pen, scene, e, curved);
        pen.stroke();
      });
      const later = () => {
        this.#frame = requestAnimationFrame(slice);
      };
      if (at >= edges.length) done();
      // The frame at hand goes out before more is drawn into it.
      else if (first) this.#frame = requestAnimationFrame(later);
      else later();
    };
    slice();
  }
}

function circle(pen: CanvasRenderingContext2D, x: number, y: number, r: number): void {
  pen.moveTo(x + r, y);
  pen.arc(x, y, r, 0, 2 * Math.PI);
}

/** All nodes but those with a letter, then those. */
export function paintNodes(canvas: HTMLCanvasElement, scene: Scene, view: View, scale: number, colors: Colors): void {
  const pen = prepare(canvas, scene.places, view, scale);
  if (!pen) return;
  const { places, shown, payload, slots, edited } = scene;
  const { kind, status } = payload.nodes;
  const marked = payload.before !== null && scene.side !== "before";
  // A node keeps its size on the screen when the sheet grows.
  const size = (n: number) => (places.r[n] as number) / Math.sqrt(view.k);
  const line = 1 / view.k;
  pen.strokeStyle = colors("control");
  // A line of next to no length with round ends is a disc, in half the time of an arc; one of none is not drawn.
  pen.lineCap = "round";
  const late: number[] = [];
  for (let n = 0; n < kind.length; n++) {
    if (!shown.nodes[n] || (kind[n] as number) > ERROR) continue;
    if (slots.has(n) || edited.has(n) || (marked && (status[n] as number) >= NEW)) late.push(n);
    else if (kind[n] === FEATURE) {
      const [x, y] = [places.x[n] as number, places.y[n] as number];
      pen.lineWidth = 2 * size(n);
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(x, y + 0.01 * line);
      pen.stroke();
    }
  }
  pen.lineCap = "butt";
  // Squares have paper inside, so that edges end at them.
  pen.lineWidth = 1.2 * line;
  pen.fillStyle = colors("paper");
  pen.beginPath();
  for (let n = 0; n < kind.length; n++) {
    if (!shown.nodes[n] || kind[n] !== ERROR || slots.has(n)) continue;
    const r = Math.max(3 * line, size(n));
    pen.rect((places.x[n] as number) - r, (places.y[n] as number) - r, 2 * r, 2 * r);
  }
  pen.fill();
  pen.stroke();
  for (const n of late) {
    const [x, y] = [places.x[n] as number, places.y[n] as number];
    const slot = slots.get(n);
    const r = slot === undefined ? Math.max(size(n), 2.5 * line) : Math.max(LETTERED / Math.sqrt(view.k), size(n));
    const gone = marked && status[n] === GONE;
    pen.lineWidth = 1.5 * line;
    pen.setLineDash(gone ? [2.5 * line, 2 * line] : []);
    pen.fillStyle = slot === undefined ? colors("control") : slot < 8 ? colors(`c${slot}`) : colors("ink2");
    pen.strokeStyle = gone ? colors("ink2") : (pen.fillStyle as string);
    pen.beginPath();
    if (kind[n] === ERROR) pen.rect(x - r, y - r, 2 * r, 2 * r);
    else circle(pen, x, y, r);
    if (gone) {
      pen.fillStyle = colors("paper");
      pen.fill();
      pen.stroke();
    } else pen.fill();
    pen.setLineDash([]);
    if (marked && status[n] === NEW) {
      pen.strokeStyle = colors("ink2");
      pen.lineWidth = line;
      for (const ring of [2, 4]) {
        pen.beginPath();
        circle(pen, x, y, r + ring * line);
        pen.stroke();
      }
    }
    if (edited.has(n)) {
      pen.strokeStyle = colors("ink");
      pen.setLineDash([2 * line, 2 * line]);
      pen.strokeRect(x - r - 3 * line, y - r - 3 * line, 2 * r + 6 * line, 2 * r + 6 * line);
      pen.setLineDash([]);
    }
    if (slot !== undefined) {
      pen.fillStyle = gone ? colors("ink") : slot < 8 ? colors(`k${slot}`) : colors("paper");
      pen.font = `700 ${(11 * r) / LETTERED}px sans-serif`;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.fillText(letter(slot), x, y);
    }
  }
}

/** The node in hand with its edges in effect colours, what is under the pointer, what is picked. */
export function paintHand(
  canvas: HTMLCanvasElement,
  scene: Scene,
  hand: Hand,
  view: View,
  scale: number,
  colors: Colors,
): void {
  const pen = prepare(canvas, scene.places, view, scale);
  if (!pen) return;
  const { places, payload } = scene;
  const side = sideOf(payload, scene.side);
  // The strongest lie on top.
  for (const [e, alpha] of [...hand.edges].sort(
    (a, b) => Math.abs(side.edge[a[0]] ?? 0) - Math.abs(side.edge[b[0]] ?? 0),
  )) {
    const share = shareOf(payload, side, e);
    pen.globalAlpha = alpha;
    pen.strokeStyle = colors(share < 0 ? "lowers" : "raises");
    pen.lineWidth = Math.min(5, Math.max(1, 14 * Math.abs(share))) / view.k;
    pen.setLineDash(share < 0 ? [5 / view.k, 3 / view.k] : []);
    pen.beginPath();
    trace(pen, scene, e, true);
    pen.stroke();
  }
  pen.globalAlpha = 1;
  pen.setLineDash([]);
  const ring = (n: number, gap: number, wide: number) => {
    const own = scene.slots.has(n) ? Math.max(LETTERED, places.r[n] as number) : (places.r[n] as number);
    pen.strokeStyle = colors("ink");
    pen.lineWidth = wide / view.k;
    pen.beginPath();
    circle(pen, places.x[n] as number, places.y[n] as number, own / Math.sqrt(view.k) + gap / view.k);
    pen.stroke();
  };
  for (const n of hand.picked) ring(n, 3, 1);
  if (hand.hovered >= 0) ring(hand.hovered, 2, 1);
  if (hand.selected >= 0) ring(hand.selected, 4, 2);
}
