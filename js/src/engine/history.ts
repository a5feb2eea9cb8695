// Undo and redo: `saewidgets/widgets/history.py` in the page.
import type { Edit } from "../model";

const LIMIT = 100;
/** Changes of the same edit's value within this many ms are one step: a slider is being dragged. */
const ONE_STEP = 600;

export interface State {
  features: readonly string[];
  edits: readonly Edit[];
}

/** What stays while a slider moves: all but the number; at 0 a slider ablates. */
const dragged = ({ kind, value: _, ...rest }: Edit) => ({ ...rest, kind: kind === "ablate" ? "scale" : kind });
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
const isDrag = (a: State, b: State): boolean =>
  same(a.features, b.features) && same(a.edits.map(dragged), b.edits.map(dragged));

export class History {
  private constructor(
    private readonly states: readonly State[],
    private readonly place: number,
    private readonly recorded: number,
  ) {}

  static of(state: State): History {
    return new History([state], 0, Number.NEGATIVE_INFINITY);
  }

  get state(): State {
    return this.states[this.place] as State;
  }

  get undoDepth(): number {
    return this.place;
  }

  get redoDepth(): number {
    return this.states.length - 1 - this.place;
  }

  /** Appends a state at a time in ms, dropping what could be redone. */
  record(state: State, now: number): History {
    if (same(state, this.state)) return this;
    const merge = this.place > 0 && now - this.recorded < ONE_STEP && isDrag(this.state, state);
    const states = [...this.states.slice(0, this.place + (merge ? 0 : 1)), state].slice(-LIMIT);
    return new History(states, states.length - 1, now);
  }

  /** One step back (-1) or forth (1), if there is one. */
  step(by: -1 | 1): History {
    const place = Math.min(this.states.length - 1, Math.max(0, this.place + by));
    return new History(this.states, place, Number.NEGATIVE_INFINITY);
  }
}
