// The strongest features at the selected token: bar after, tick before, "+" adds a lane.
import { useSignal } from "@preact/signals";
import { fill } from "../fill";
import { activation, count, percent } from "../format";
import { hue } from "../palette";
import type { SiteView } from "../payloads";
import { asText, draw, plain } from "../signs";
import type { View } from "../view";
import * as common from "../words/common";
import * as words from "../words/heatmap";
import { Key } from "./key";

const FEW = 6;
/** Share of the row that the greatest activation takes. */
const FULL = 92;

interface Entry {
  index: number;
  before: number;
  after: number;
  /** A side that the payload does not list: the value is at most this. */
  unlisted: "before" | "after" | null;
}

/** The listed features of one token, and what an unlisted one can be at most: 0 when all active ones are listed. */
function listed(
  sparse: SiteView["strongest"],
  active: number,
  token: number,
): { values: Map<number, number>; rest: number } {
  const [start, end] = [sparse.indptr[token] ?? 0, sparse.indptr[token + 1] ?? 0];
  const values = new Map<number, number>();
  for (let i = start; i < end; i++) values.set(sparse.index[i] as number, sparse.value[i] as number);
  return { values, rest: end - start < active ? (sparse.value[end - 1] ?? 0) : 0 };
}

/** Features at a token before and after the edits, by descending max(before, after). */
export function entriesAt(site: SiteView, token: number): Entry[] {
  const before = listed(site.strongest, site.active[token] ?? 0, token);
  const after = site.strongest_after ? listed(site.strongest_after, site.active_after?.[token] ?? 0, token) : before;
  const entries = [...new Set([...before.values.keys(), ...after.values.keys()])].map((index): Entry => {
    const [was, now] = [before.values.get(index), after.values.get(index)];
    const unlisted =
      was === undefined && before.rest > 0 ? "before" : now === undefined && after.rest > 0 ? "after" : null;
    return {
      index,
      before: was ?? Math.min(before.rest, now ?? 0),
      after: now ?? Math.min(after.rest, was ?? 0),
      unlisted,
    };
  });
  return entries.sort((a, b) => Math.max(b.before, b.after) - Math.max(a.before, a.after));
}

export function Strongest({ view }: { view: View }) {
  const { state } = view;
  const all = useSignal(false);
  const payload = state.payload.value;
  const site = state.siteView.value;
  const token = state.selection.value;
  if (!payload || !site || payload.tokens.text.length === 0) return null;
  const entries = entriesAt(site, token);
  const rows = all.value ? entries : entries.slice(0, FEW);
  const most = Math.max(1e-9, ...entries.map((entry) => Math.max(entry.before, entry.after)));
  const x = (value: number) => `${Math.min(100, Math.max(0, (FULL * value) / most))}%`;
  const text = plain(asText(draw(payload.tokens.text[token] ?? "", payload.tokens.kind[token] === 1 ? 1 : 0)), 40);
  const active = site.active_after?.[token] ?? site.active[token] ?? 0;
  const now = site.error_after?.[token];
  const error = percent(site.error[token] ?? 0) + (now === undefined ? "" : ` → ${percent(now)}`);
  return (
    <section class="strongest" aria-label={words.strongest}>
      <h3>
        {fill(words.strongestAt, { at: count(token), token: <span class="tk">{text}</span> })}{" "}
        <span class="sub">
          · {plain(site.key)} · {words.activeAndError(active, site.width, error)}
        </span>
      </h3>
      {entries.length === 0 && <p class="sub">{words.noneListed}</p>}
      <div class="tf">
        {rows.map((entry) => (
          <Row key={entry.index} view={view} site={site} entry={entry} x={x} edited={site.strongest_after !== null} />
        ))}
      </div>
      {entries.length > FEW && (
        <button type="button" class="link more" onClick={() => (all.value = !all.value)}>
          {all.value ? words.fewer : words.more(entries.length - FEW)}
        </button>
      )}
    </section>
  );
}

function Row({
  view,
  site,
  entry,
  x,
  edited,
}: {
  view: View;
  site: SiteView;
  entry: Entry;
  x: (value: number) => string;
  edited: boolean;
}) {
  const { state } = view;
  const id = `${site.key}/${entry.index}`;
  const chosen = state.features.value.find((feature) => feature.id === id);
  const name = plain(state.labels.value.get(id) ?? "");
  // A chosen feature is known at every token.
  const known = chosen !== undefined && !state.local.value.includes(chosen);
  const was = known ? (chosen.values[state.selection.value] ?? 0) : entry.before;
  const now = known ? (chosen.after?.[state.selection.value] ?? was) : entry.after;
  const unlisted = known ? null : entry.unlisted;
  const before = (unlisted === "before" ? "≤ " : "") + activation(was);
  const after = (unlisted === "after" ? "≤ " : "") + activation(now);
  return (
    <div class="tfr">
      <div class="who">
        {chosen ? (
          <button
            type="button"
            class="keybutton"
            aria-label={words.fillWith(name || id)}
            onClick={() => state.setFill(id)}
          >
            <Key feature={chosen} hollow={chosen.scale === 0} />
          </button>
        ) : (
          <button
            type="button"
            class="plus"
            aria-label={words.add(name || id)}
            title={common.addLane}
            onClick={() => state.addFeatures([id])}
          >
            +
          </button>
        )}
        {name ? (
          <>
            <span class="clip" title={name}>
              {name}
            </span>{" "}
            <span class="id hide-s">{entry.index}</span>
          </>
        ) : (
          <span class="id">{entry.index}</span>
        )}
      </div>
      <div class={`hb ${chosen ? hue(chosen.slot) : ""}`} aria-hidden="true">
        <i class={chosen ? "f" : ""} style={{ width: unlisted === "after" ? "0" : x(now) }} />
        {edited && unlisted !== "before" && <i class="tick" style={{ left: x(was) }} />}
      </div>
      <div class="num">
        {before === after ? (
          <span class="i2">{after}</span>
        ) : (
          <>
            <span class="q">{before} →</span> <b>{after}</b>
          </>
        )}
      </div>
    </div>
  );
}
