// "Add a feature": a combobox over the payload's labels at once, and over all labels when there is a model.
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Requests } from "../requests";
import { type Found, merge } from "../search";
import { plain } from "../signs";
import * as common from "../words/common";
import * as words from "../words/heatmap";

const WAIT = 120;
let instances = 0;

/** What a view must have to be added to. */
export interface Searching {
  state: {
    live: { value: boolean };
    requests: Requests;
    /** Dictionary that a bare number belongs to, "" for the default one. */
    site: { value: string };
    addFeatures: (ids: readonly string[]) => void;
  };
  said: { value: string };
  focusStrip: () => void;
}

interface Props {
  view: Searching;
  /** What the payload itself can answer. */
  here: (text: string) => Found[];
}

export function SearchBox({ view, here }: Props) {
  const { state } = view;
  const query = useSignal("");
  const hits = useSignal<Found[]>([]);
  const active = useSignal(0);
  const open = useSignal(false);
  const prefix = useRef(`hit${++instances}-`).current;
  const timer = useRef<ReturnType<typeof setTimeout>>();

  const look = (text: string) => {
    query.value = text;
    open.value = text.trim() !== "";
    active.value = 0;
    hits.value = here(text);
    clearTimeout(timer.current);
    if (!state.live.value || text.trim() === "") return;
    timer.current = setTimeout(async () => {
      try {
        const { result } = await state.requests.ask({ type: "search", query: text, site: state.site.value });
        if (query.value === text) hits.value = merge(here(text), (result as { features?: unknown } | null)?.features);
      } catch {
        // The payload's own labels stay as the answer.
      }
    }, WAIT);
  };
  const take = (hit: Found | undefined) => {
    if (!hit) return;
    state.addFeatures([hit.id]);
    look("");
    view.said.value = words.added(plain(hit.label || hit.id));
  };
  const key = (event: KeyboardEvent & { currentTarget: HTMLInputElement }) => {
    event.stopPropagation();
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by) {
      active.value = Math.max(0, Math.min(hits.value.length - 1, active.value + by));
      event.preventDefault();
    } else if (event.key === "Enter" && !event.isComposing) take(hits.value[active.value]);
    else if (event.key === "Escape") {
      if (query.value) {
        event.currentTarget.value = "";
        look("");
      } else view.focusStrip();
    }
  };
  const none = open.value && hits.value.length === 0;
  return (
    <span class="search">
      <input
        type="text"
        role="combobox"
        placeholder={common.addFeature}
        aria-label={common.addFeature}
        aria-expanded={open.value}
        aria-autocomplete="list"
        aria-controls={`${prefix}list`}
        aria-activedescendant={open.value && hits.value.length ? `${prefix}${active.value}` : undefined}
        spellcheck={false}
        autocomplete="off"
        value={query.value}
        onInput={(event) => look(event.currentTarget.value)}
        onKeyDown={key}
        onBlur={() => (open.value = false)}
        onFocus={() => (open.value = query.value.trim() !== "")}
      />
      <kbd>/</kbd>
      <span
        class="pop hits"
        role="listbox"
        id={`${prefix}list`}
        aria-label={words.featuresFound}
        hidden={!open.value || none}
      >
        {hits.value.map((hit, i) => (
          <span
            key={hit.id}
            id={`${prefix}${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={i === active.value}
            class={i === active.value ? "hit on" : "hit"}
            onPointerDown={(event) => {
              event.preventDefault();
              take(hit);
            }}
          >
            {hit.label && <span class="clip">{plain(hit.label)}</span>} <span class="id">{plain(hit.id)}</span>
          </span>
        ))}
      </span>
      {none && <span class="pop hits q">{words.noneFound}</span>}
    </span>
  );
}
