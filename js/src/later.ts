// A new picture is drawn by what draws itself in an `effect`, a strip of tokens, before preact draws the panels around
// it: those follow in the next task. What a user does is drawn at once, as ever.
import { options } from "preact";

/** Do what changes the picture; components draw it in the next task. */
export function panelsLater(change: () => void): void {
  const before = options.debounceRendering;
  options.debounceRendering = (draw) => setTimeout(draw);
  try {
    change();
  } finally {
    // Another function, so that preact does not wait for the task with what changes before it.
    options.debounceRendering = before;
  }
}
