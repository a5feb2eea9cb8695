// Views of one page that follow each other, without a kernel: what one goes to is told to the others.
import { effect, untracked } from "@preact/signals";
import type { Followed, Place } from "./picture";

type End = Place<string | number> & { prompt?(): string };

/** Let views follow each other in a token or a feature; a token under the pointer goes with the selected one. */
export function follow(views: readonly { followed: Followed }[], word: "token" | "feature"): void {
  const words = word === "token" ? (["token", "pointed"] as const) : ([word] as const);
  for (const name of words) {
    const ends = views.flatMap(({ followed }) => (followed[name] ? [followed[name] as End] : []));
    for (const one of ends) {
      let known = one.at.peek();
      effect(() => {
        const value = one.at.value;
        if (value === known) return;
        known = value;
        // Fills that are no feature stay at home, and a position means something in the same text alone.
        if (name === "feature" && !String(value).includes("/")) return;
        untracked(() => {
          for (const other of ends) if (other !== one && other.prompt?.() === one.prompt?.()) other.go(value);
        });
      });
    }
  }
}
