// Moves the drawn sheet at once, and has it drawn anew at rest.
import type { Places } from "./layout";
import type { View } from "./paint";
import type { CircuitState } from "./state";

/** The sheet is drawn anew when nothing has moved for this long. */
const REST = 150;
const DEEPEST = 24;
export const HOME: View = { k: 1, x: 0, y: 0 };

/** A view with the sheet held inside its frame. */
function held(view: View, { width, height }: Places): View {
  const k = Math.min(DEEPEST, Math.max(1, view.k));
  const inside = (value: number, size: number) => Math.min(0, Math.max(size - size * k, value));
  return { k, x: inside(view.x, width), y: inside(view.y, height) };
}

/** The view after zooming by a factor about a point of the frame. */
export const zoomed = (view: View, factor: number, x: number, y: number): View => {
  const k = Math.min(DEEPEST, Math.max(1, view.k * factor));
  return { k, x: x - ((x - view.x) * k) / view.k, y: y - ((y - view.y) * k) / view.k };
};

export class Mover {
  #now: View | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly state: CircuitState,
    private readonly element: () => HTMLElement | null,
    private readonly place: { value: View },
  ) {}

  get now(): View {
    return this.#now ?? this.place.value;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  by(dx: number, dy: number): void {
    const { k, x, y } = this.now;
    this.#to({ k, x: x + dx, y: y + dy });
  }

  about(factor: number, x: number, y: number): void {
    this.#to(zoomed(this.now, factor, x, y));
  }

  zoom(factor: number): void {
    const places = this.state.places.value;
    if (!places) return;
    if (factor === 0) this.#to(HOME);
    else this.about(factor, places.width / 2, places.height / 2);
  }

  /** Bring a node into the middle, where the sheet is larger than its frame. */
  centre(n: number): void {
    const places = this.state.places.value;
    const { k } = this.now;
    if (!places || n < 0) return;
    const [x, y] = [places.x[n] ?? 0, places.y[n] ?? 0];
    if (k > 1) this.#to({ k, x: places.width / 2 - k * x, y: places.height / 2 - k * y });
    const frame = this.element()?.closest(".gx");
    if (frame) frame.scrollLeft = x * this.state.large.value - frame.clientWidth / 2;
  }

  #to(view: View): void {
    const places = this.state.places.value;
    if (!places) return;
    const to = held(view, places);
    this.#now = to;
    const from = this.place.value;
    const grown = to.k / from.k;
    const shift = `translate(${to.x - from.x * grown}px, ${to.y - from.y * grown}px) scale(${grown})`;
    this.element()?.style.setProperty("transform", shift);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#now = null;
      this.place.value = to;
    }, REST);
  }
}
