// The strongest features at the selected token: bar after, tick before, "+" adds a lane.
import { useSignal } from "@preact/signals";
import { activation, count, percent } from "../format";
import { hue } from "../palette";
import type { SiteView } from "../payloads";
import { asText, draw, plain } from "../signs";
import type { View } from "../view";
import { Key } from "./chips";

const FEW = 6;
/** Share of the row that the greatest activation takes. */
const FULL = 92;

interface Entry {
  index: number;
  before: number;
  after: number;
}

/** Features at a token before and after the edits, by descending max(before, after). */
export function entriesAt(site: SiteView, token: number): Entry[] {
  const found = new Map<number, Entry>();
  const read = (sparse: SiteView["strongest"] | null, name: "before" | "after") => {
    if (!sparse) return;
    for (let i = sparse.indptr[token] ?? 0; i < (sparse.indptr[token + 1] ?? 0); i++) {
      const index = sparse.index[i] as number;
      const entry = found.get(index) ?? { index, before: 0, after: 0 };
      entry[name] = sparse.value[i] as number;
      found.set(index, entry);
    }
  };
  read(site.strongest, "before");
  read(site.strongest_after, "after");
  if (!site.strongest_after) for (const entry of found.values()) entry.after = entry.before;
  return [...found.values()].sort((a, b) => Math.max(b.before, b.after) - Math.max(a.before, a.after));
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
  const error = site.error[token] ?? 0;
  const now = site.error_after?.[token];
  return (
    <section class="strongest" aria-label="Strongest features">
      <h3>
        Strongest at token {count(token)} <span class="tk">{plain(asText(draw(payload.tokens.text[token] ?? "", payload.tokens.kind[token] === 1 ? 1 : 0)), 40)}</span>{" "}
        <span class="sub">
          · {plain(site.key)} · {count(site.active_after?.[token] ?? site.active[token] ?? 0)} of {count(site.width)} active · error{" "}
          {percent(error)}
          {now !== undefined && ` → ${percent(now)}`} of norm
        </span>
      </h3>
      {entries.length === 0 && <p class="sub">No features are listed at this token.</p>}
      <div class="tf">
        {rows.map((entry) => (
          <Row key={entry.index} view={view} site={site} entry={entry} x={x} edited={site.strongest_after !== null} />
        ))}
      </div>
      {entries.length > FEW && (
        <button type="button" class="link more" onClick={() => (all.value = !all.value)}>
          {all.value ? "fewer" : `${count(entries.length - FEW)} more`}
        </button>
      )}
    </section>
  );
}

function Row({ view, site, entry, x, edited }: { view: View; site: SiteView; entry: Entry; x: (value: number) => string; edited: boolean }) {
  const { state } = view;
  const id = `${site.key}/${entry.index}`;
  const chosen = state.features.value.find((feature) => feature.id === id);
  const name = plain(state.labels.value.get(id) ?? "");
  const [before, after] = [activation(entry.before), activation(entry.after)];
  return (
    <div class="tfr">
      <div class="who">
        {chosen ? (
          <button type="button" class="keybutton" aria-label={`Fill with ${name || id}`} onClick={() => state.setFill(id)}>
            <Key feature={chosen} hollow={chosen.scale === 0} />
          </button>
        ) : (
          <button type="button" class="plus" aria-label={`Add ${name || id}`} title="add a lane" onClick={() => state.addFeatures([id])}>
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
        <i class={chosen ? "f" : ""} style={{ width: x(entry.after) }} />
        {edited && <i class="tick" style={{ left: x(entry.before) }} />}
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
