// Value, position, id of the token under the pointer; it moves nothing and takes no clicks.
import { activation, percent, probability } from "../format";
import { letter } from "../palette";
import { asText, draw, plain } from "../signs";
import type { View } from "../view";
import * as words from "../words/heatmap";

/** What is said of a token, for the tooltip and for a screen reader. */
export function describe(view: View, token: number): { head: string; values: string[] } {
  const { state } = view;
  const payload = state.payload.value;
  if (!payload) return { head: "", values: [] };
  const values = state.features.value.map((feature) => {
    const before = activation(feature.values[token] ?? 0);
    const after = feature.after ? activation(feature.after[token] ?? 0) : before;
    return `${letter(feature.slot)} ${before}${after === before ? "" : ` → ${after}`}`;
  });
  const { fill } = state;
  const pair = (before: number | undefined, after: number | undefined, write: (n: number) => string) =>
    `${write(before ?? 0)}${after === undefined ? "" : ` → ${write(after)}`}`;
  const site = state.siteView.value;
  if (fill.value === "error" && site)
    values.unshift(words.errorOf(pair(site.error[token], site.error_after?.[token], percent)));
  if (fill.value === "surprise") {
    values.unshift(words.surpriseOf(pair(payload.surprise[token], payload.surprise_after?.[token], probability)));
  }
  const text = plain(asText(draw(payload.tokens.text[token] ?? "", payload.tokens.kind[token] === 1 ? 1 : 0)), 60);
  return {
    head: words.tokenAndId(text || words.partOfCharacter, token, payload.tokens.ids[token] ?? 0),
    values,
  };
}

export function Tooltip({ view }: { view: View }) {
  const hover = view.hover.value;
  if (!hover) return null;
  const { head, values } = describe(view, hover.token);
  const base = view.root.getBoundingClientRect();
  const left = Math.max(0, Math.min(hover.box.left - base.left, base.width - 240));
  const above = hover.box.top - base.top > 60;
  const y = above ? base.bottom - hover.box.top + 6 : hover.box.bottom - base.top + 6;
  return (
    <div class="pop tip" aria-hidden="true" style={{ left: `${left}px`, [above ? "bottom" : "top"]: `${y}px` }}>
      <div>{values.join("   ")}</div>
      <div class="sub">{head}</div>
    </div>
  );
}
