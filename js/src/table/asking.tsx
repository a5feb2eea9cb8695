// What is asked of a table: words, two texts, bounds of statistics; each a word that can be taken away.
import { useSignal } from "@preact/signals";
import { fill } from "../fill";
import { count } from "../format";
import { hue, letter } from "../palette";
import { Segments } from "../parts/segments";
import type { FeatureTablePayload } from "../payloads";
import { plain } from "../signs";
import type { TableView } from "../views/featuretable";
import * as words from "../words/table";
import { above, bounds, titleOf } from "./cells";

interface Props {
  view: TableView;
  payload: FeatureTablePayload;
}

/** A field that asks as one types. */
function Field({ view, name, label }: { view: TableView; name: "query" | "here" | "there"; label: string }) {
  const { state } = view;
  return (
    <span class="field">
      <input
        type="text"
        placeholder={label}
        aria-label={label}
        spellcheck={false}
        autocomplete="off"
        maxLength={2000}
        disabled={name !== "query" && !state.live.value}
        value={state.asked.value[name]}
        onInput={(event) => state.want({ [name]: event.currentTarget.value }, true)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          if (state.asked.value[name]) state.want({ [name]: "" });
          else view.root.querySelector<HTMLElement>(".ftable")?.focus();
          event.stopPropagation();
        }}
      />
      {name !== "there" && <kbd>/</kbd>}
    </span>
  );
}

/** The search: words, or where it fires and where not. */
export function Search({ view, payload }: Props) {
  const { state } = view;
  const { here, there } = state.asked.value;
  const pair = useSignal(false);
  const contrast = pair.value || here !== "" || there !== "";
  const set = (value: string) => {
    pair.value = value === "contrast";
    if (pair.value) state.want({ query: "" });
    else state.want({ here: "", there: "" });
  };
  const sought = payload.words === "promotes" ? words.promoted : words.firesOn;
  return (
    <>
      <span class="fields">
        {contrast ? (
          <>
            <Field view={view} name="here" label={words.textWhereItFires} />
            <Field view={view} name="there" label={words.textWhereNot} />
          </>
        ) : (
          <Field view={view} name="query" label={words.wordsOf(sought)} />
        )}
      </span>
      <Segments
        label={words.searchBy}
        choices={[
          { value: "words", label: words.byWords },
          { value: "contrast", label: words.byTexts },
        ]}
        value={contrast ? "contrast" : "words"}
        set={set}
      />
    </>
  );
}

/** How many fit, of how many. */
function Fits({ view, payload, any }: Props & { any: boolean }) {
  const n = <b>{count(view.state.n.value)}</b>;
  const total = count(payload.n_features);
  if (!view.state.live.value) {
    const rows = count(payload.rows.index.length);
    return <span class="fits">{fill(words.fittingInPage, { n, rows, total })}</span>;
  }
  return <span class="fits">{any ? <>{fill(words.fitting, { n, total })} </> : words.inAll(payload.n_features)}</span>;
}

/** How many fit, and what they had to; each condition goes by a click. */
export function Conditions({ view, payload }: Props) {
  const { state } = view;
  const { query, here, there, filters } = state.asked.value;
  const texts = [
    ["query", query, words.quoted],
    ["here", here, words.firesIn],
    ["there", there, words.notIn],
  ] as const;
  const asked = texts.filter(([, text]) => text.trim() !== "");
  const any = asked.length + filters.length > 0;
  const isPlace = (name: string) => state.statistic(name)?.unit === "place";
  return (
    <div class="conditions">
      <Fits view={view} payload={payload} any={any} />
      {asked.map(([name, text, say]) => (
        <button key={name} type="button" class="btn" title={words.takeAway} onClick={() => state.want({ [name]: "" })}>
          {say(plain(text, 40))} <span aria-hidden="true">×</span>
        </button>
      ))}
      {filters.some(({ name }) => isPlace(name)) && (
        <button
          type="button"
          class="btn"
          title={words.takeAway}
          onClick={() => state.want({ filters: filters.filter(({ name }) => !isPlace(name)) })}
        >
          {words.region} <span aria-hidden="true">×</span>
        </button>
      )}
      {filters.map((filter) => {
        if (isPlace(filter.name)) return null;
        const statistic = state.statistic(filter.name);
        return (
          statistic && (
            <button
              key={filter.name}
              type="button"
              class="btn"
              title={words.takeAway}
              onClick={() => state.bound(filter.name, null, null)}
            >
              {titleOf(statistic)} {bounds(filter, statistic)} <span aria-hidden="true">×</span>
            </button>
          )
        );
      })}
      {any && (
        <button type="button" class="plain" onClick={() => state.want({ query: "", here: "", there: "", filters: [] })}>
          {words.clear}
        </button>
      )}
      <More view={view} payload={payload} />
      <span class="sp" />
      <Chosen view={view} />
    </div>
  );
}

/** Any other statistic: sort by it, or bound it. */
function More({ view, payload }: Props) {
  const { state } = view;
  const open = useSignal(false);
  const name = useSignal(payload.sort);
  const low = useSignal("");
  const high = useSignal("");
  const statistic = state.statistic(name.value) ?? payload.statistics[0];
  if (!statistic) return null;
  const scale = statistic.unit === "share" ? 0.01 : 1;
  const read = (text: string): number | null => {
    const value = Number(text.trim().replace(",", ".").replace("−", "-"));
    return text.trim() === "" || !Number.isFinite(value) ? null : value * scale;
  };
  const bound = (field: typeof low, label: string) => (
    <input
      type="text"
      inputMode="decimal"
      aria-label={label}
      placeholder={label}
      value={field.value}
      onInput={(event) => {
        field.value = event.currentTarget.value;
      }}
    />
  );
  return (
    <span
      class="menu more"
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !open.value) return;
        open.value = false;
        event.stopPropagation();
      }}
    >
      <button type="button" class="plain" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
        {words.addStatistic}
      </button>
      {open.value && (
        <form
          class="pop"
          aria-label={words.sortOrFilter}
          onSubmit={(event) => {
            event.preventDefault();
            state.bound(statistic.name, read(low.value), read(high.value));
            open.value = false;
            low.value = high.value = "";
          }}
        >
          <span class="seg choose">
            <select
              aria-label={words.statistic}
              value={statistic.name}
              onChange={(event) => {
                name.value = event.currentTarget.value;
              }}
            >
              {payload.statistics
                .filter(({ unit }) => unit !== "place")
                .map((other) => (
                  <option key={other.name} value={other.name}>
                    {above(other)}
                  </option>
                ))}
            </select>
            <span aria-hidden="true">▾</span>
          </span>
          {bound(low, words.from)}
          {bound(high, words.to)}
          <button type="submit" class="btn">
            {words.filter}
          </button>
          <button
            type="button"
            class="btn"
            onClick={() => {
              state.sortBy(statistic.name);
              open.value = false;
            }}
          >
            {words.sort}
          </button>
        </form>
      )}
    </span>
  );
}

/** The chosen features: a click on a letter opens one. */
function Chosen({ view }: { view: TableView }) {
  const { state } = view;
  const ids = state.chosen.value.filter(Boolean);
  if (ids.length === 0) return null;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(ids.join("\n"));
      view.said.value = words.idsCopied;
    } catch {
      view.said.value = words.cannotCopy;
    }
  };
  return (
    <span class="chosen">
      <span class="sub">{words.chosen(ids.length)}</span>
      {state.chosen.value.map(
        (id, slot) =>
          id && (
            <button
              key={id}
              type="button"
              class={`keybutton picked ${hue(slot)}`}
              disabled={!state.canOpen(id)}
              title={words.open(plain(id, 60))}
              aria-label={words.openLetter(letter(slot), plain(id, 60))}
              onClick={() => state.open(id)}
            >
              {letter(slot)}
            </button>
          ),
      )}
      <button type="button" class="btn" onClick={copy}>
        {words.copyIds}
      </button>
      <button type="button" class="plain" onClick={() => state.choose([])}>
        {words.drop}
      </button>
    </span>
  );
}
