// The node in hand: what flows into it, what it flows into, and what can be done with it.
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { change, percent } from "../format";
import { Key } from "../parts/key";
import { plain } from "../signs";
import * as words from "../words/circuitpanels";
import * as common from "../words/common";
import { type CircuitPayload, ERROR, FEATURE, featureOf, GONE, LOGIT, labelOf, shareOf, wordAt } from "./kinds";
import { detailOf } from "./told";
import type { CircuitView } from "./view";

const FEW = 5;
const MANY = 40;

interface Props {
  view: CircuitView;
  payload: CircuitPayload;
}

export function Connections({ view, payload }: Props) {
  const { state } = view;
  const n = state.selected.value;
  if (n < 0) {
    return (
      <section aria-label={words.connections}>
        <p class="em">{words.clickNode}</p>
      </section>
    );
  }
  const slot = state.slots.value.get(n);
  const label = labelOf(payload, state.marks.value.names, n);
  const { id, kind, status } = payload.nodes;
  const name = id[n] ?? "";
  const gone = status[n] === GONE && state.side.value === "now";
  return (
    <section aria-label={words.connections}>
      <div class="handhead">
        {slot !== undefined && <Key feature={{ slot }} hollow={state.edited.value.has(n)} />}
        <Name key={name} view={view} id={name} label={label} fixed={kind[n] === LOGIT} />
      </div>
      <div class="sub under-name">
        {kind[n] === FEATURE && <span class="id">{plain(featureOf(name), 60)}</span>} {detailOf(state, n)}
      </div>
      {gone ? (
        <p class="em">{words.notInGraph}</p>
      ) : (
        <>
          <List view={view} payload={payload} n={n} into />
          <List view={view} payload={payload} n={n} into={false} />
        </>
      )}
      <Acts view={view} payload={payload} n={n} />
    </section>
  );
}

/** The name, written over where it stands. */
function Name({ view, id, label, fixed }: { view: CircuitView; id: string; label: string; fixed: boolean }) {
  const { state } = view;
  if (fixed) return <h2>{label}</h2>;
  const given = () => state.marks.value.names[id] ?? state.marks.value.names[featureOf(id)] ?? "";
  const keep = (text: string) => {
    if (text.trim() !== label && text.trim() !== given()) state.rename(id, text.trim().slice(0, 200));
  };
  return (
    <input
      class="labelfield"
      data-focus="label"
      aria-label={words.nodeName}
      maxLength={200}
      spellcheck={false}
      value={label}
      onBlur={(event) => keep(event.currentTarget.value)}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === "Escape") event.currentTarget.value = label;
        if (event.key !== "Enter" && event.key !== "Escape") return;
        event.currentTarget.blur();
        view.focus("graph");
      }}
    />
  );
}

/** One direction, strongest first. */
function List({ view, payload, n, into }: Props & { n: number; into: boolean }) {
  const { state } = view;
  const all = useSignal(false);
  const side = state.sideNow();
  const links = state.allLinks.value;
  const edges = links ? Array.from(into ? links.into(n) : links.out(n)).filter((e) => side.edge[e] !== 0) : [];
  if (edges.length === 0) return null;
  const rows = edges
    .map((e) => ({ other: (into ? payload.source : payload.target)[e] as number, share: shareOf(payload, side, e) }))
    .sort((a, b) => Math.abs(b.share) - Math.abs(a.share));
  const shown = rows.slice(0, all.value ? MANY : FEW);
  const most = Math.max(0.05, ...rows.slice(0, 1).map(({ share }) => Math.abs(share)));
  const covered = rows.reduce((sum, { share }) => sum + Math.abs(share), 0);
  const slots = state.slots.value;
  // Zero lies left of the middle when nothing lowers much.
  const zero = shown.some(({ share }) => share < 0) ? 34 : 4;
  return (
    <>
      <h3>
        {into ? words.into : words.outOf}{" "}
        <span class="sub">{into ? words.shareOfInput(percent(Math.min(1, covered))) : words.shareReceived}</span>
      </h3>
      <div class="cn">
        {shown.map(({ other, share }) => {
          const slot = slots.get(other);
          const wide = (Math.abs(share) / most) * (share < 0 ? zero : 100 - zero);
          return (
            <button
              key={other}
              type="button"
              class="cnrow"
              onClick={() => {
                state.select(payload.nodes.id[other] ?? "");
                view.centre(other);
              }}
            >
              <span class="cnname">
                {slot === undefined ? <span class="nokey" /> : <Key feature={{ slot }} />}
                <span class="clip">{labelOf(payload, state.marks.value.names, other)}</span>{" "}
                {(payload.nodes.kind[other] as number) <= ERROR && (
                  <span class="q tk">
                    {payload.nodes.position[other]} {wordAt(payload, payload.nodes.position[other] ?? 0)}
                  </span>
                )}
              </span>
              <span class="hb" aria-hidden="true">
                <i
                  class={share < 0 ? "lowers" : "raises"}
                  style={{ left: `${share < 0 ? zero - wide : zero}%`, width: `${wide}%` }}
                />
                <i class="zero" style={{ left: `${zero}%` }} />
              </span>
              <span class="num i2">{change(share)}</span>
            </button>
          );
        })}
      </div>
      {rows.length > FEW && (
        <button type="button" class="link more" aria-expanded={all.value} onClick={() => (all.value = !all.value)}>
          {all.value ? words.fewer : words.more(Math.min(MANY, rows.length) - FEW)}
        </button>
      )}
    </>
  );
}

export function Acts({ view, payload, n }: Props & { n: number }) {
  const { state } = view;
  const grouping = useSignal(false);
  view.grouping = grouping;
  const id = payload.nodes.id[n] ?? "";
  const ids = view.chosen();
  const { pinned, groups } = state.marks.value;
  const own = groups.find((group) => group.nodes.includes(id));
  const numbers = ids.flatMap((one) => state.number.value.get(one) ?? []);
  const feature = payload.nodes.kind[n] === FEATURE;
  const target = payload.nodes.kind[n] === LOGIT;
  const undo = !target && numbers.every((m) => payload.nodes.kind[m] === LOGIT || state.edited.value.has(m));
  const why = !state.live.value ? common.needsModel : target ? words.targetHasNoEffect : "";
  return (
    <>
      <div class="acts">
        <button type="button" class="btn" aria-pressed={pinned.includes(id)} onClick={view.pin}>
          {pinned.includes(id) ? words.unpin : words.pin(ids.length)}
        </button>
        <button
          type="button"
          class="btn"
          aria-expanded={grouping.value}
          onClick={() => {
            grouping.value = !grouping.value;
          }}
        >
          {words.group(ids.length)}
        </button>
        {own && (
          <button type="button" class="btn" onClick={() => state.group([id], "")}>
            {words.ungroup}
          </button>
        )}
        <button type="button" class="btn" disabled={why !== ""} title={why} onClick={() => state.ablate(numbers)}>
          {undo ? words.bringBack : words.ablate(ids.length)}
        </button>
        {own && own.nodes.length > 1 && (
          <button
            type="button"
            class="btn"
            disabled={why !== ""}
            title={why}
            onClick={() => state.ablate(own.nodes.flatMap((one) => state.number.value.get(one) ?? []))}
          >
            {words.ablateGroup}
          </button>
        )}
        {feature && (
          <button
            type="button"
            class="btn"
            disabled={!state.live.value}
            title={state.live.value ? "" : common.needsModel}
            onClick={view.open}
          >
            {common.dashboard}
          </button>
        )}
      </div>
      {grouping.value && <GroupForm view={view} ids={ids} groups={groups.map((group) => group.label)} />}
      {!target && !state.live.value && <p class="sub">{words.ablatingNeedsModel}</p>}
    </>
  );
}

function GroupForm({ view, ids, groups }: { view: CircuitView; ids: string[]; groups: string[] }) {
  const input = useRef<HTMLInputElement>(null);
  // At once: what is typed after the key belongs to the name.
  useLayoutEffect(() => input.current?.focus(), []);
  const close = () => {
    if (view.grouping) view.grouping.value = false;
    view.focus("graph");
  };
  const take = (label: string) => {
    if (label.trim()) view.state.group(ids, label.trim().slice(0, 200));
    close();
  };
  return (
    <div class="groupform">
      <input
        ref={input}
        class="line"
        aria-label={words.groupName}
        placeholder={words.groupName}
        maxLength={200}
        spellcheck={false}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === "Enter") take(event.currentTarget.value);
          else if (event.key === "Escape") close();
        }}
      />
      <button type="button" class="btn" onClick={() => take(input.current?.value ?? "")}>
        {words.ok}
      </button>
      {groups.map((label) => (
        <button key={label} type="button" class="btn" onClick={() => take(label)}>
          {plain(label, 40)}
        </button>
      ))}
    </div>
  );
}
