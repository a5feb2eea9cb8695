// Views of one page that follow each other, without a kernel: what one goes to is told to the others.
import { effect, untracked } from "@preact/signals";
import type { Payload } from "./payloads";
import type { Followed, Picture, Place } from "./picture";

type End = Place<string | number> & { prompt?(): string };

/** Let views follow each other in a token or a feature, until the end; what is pointed at goes with the selected. */
export function follow(views: readonly Picture<Payload>[], word: "token" | "feature"): () => void {
  const words = word === "token" ? (["token", "pointed"] as const) : ([word] as const);
  const stops: (() => void)[] = [];
  for (const view of views) view.linked.value = true;
  for (const name of words) {
    const ends = views.flatMap(({ followed }) =>
      [followed].flat().flatMap((one: Followed) => (one[name] ? [one[name] as End] : [])),
    );
    for (const one of ends) {
      let known = one.at.peek();
      const stop = effect(() => {
        const value = one.at.value;
        if (value === known) return;
        known = value;
        // Fills that are no feature stay at home, and a position means something in the same text alone.
        if (name === "feature" ? !String(value).includes("/") : name === "token" && value === -1) return;
        untracked(() => {
          for (const other of ends) if (other !== one && other.prompt?.() === one.prompt?.()) other.go(value);
        });
      });
      stops.push(stop);
    }
  }
  return () => {
    for (const stop of stops) stop();
  };
}
