// The head of a dashboard: the label, which is edited in place, and how far it holds.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { fill } from "../fill";
import { probability } from "../format";
import type { FeatureDashboardPayload, LabelMeter } from "../payloads";
import { plain } from "../signs";
import { disabledReason } from "../view";
import type { DashboardView } from "../views/featuredashboard";
import * as common from "../words/common";
import * as words from "../words/dashboard";
import { Key } from "./key";

interface Props {
  view: DashboardView;
  payload: FeatureDashboardPayload;
}

export function LabelHead({ view, payload, children }: Props & { children?: ComponentChildren }) {
  const measured = payload.meters.length > 0;
  return (
    <div class={measured ? "dhead measured" : "dhead"}>
      <Label view={view} payload={payload}>
        {children}
      </Label>
      {measured && (
        <section aria-label={words.doesItHold}>
          <h3>
            {words.doesItHold}{" "}
            <span class="sub">{fill(words.meterLegend, { mark: <i class="chance" aria-hidden="true" /> })}</span>
          </h3>
          {payload.meters.map((meter) => (
            <Meter key={meter.name} meter={meter} />
          ))}
        </section>
      )}
    </div>
  );
}

function Label({ view, payload, children }: Props & { children?: ComponentChildren }) {
  const { state } = view;
  const editing = useSignal(false);
  const off = disabledReason(state);
  return (
    <div class="dlabel">
      <div class="dbar">
        <Key feature={payload} />
        {editing.value ? (
          <Field view={view} payload={payload} done={() => (editing.value = false)} />
        ) : (
          <h2>{payload.label ? plain(payload.label, 300) : <span class="q">{common.noLabelYet}</span>}</h2>
        )}
      </div>
      <div class="sub under-label">
        <span class="id">{plain(payload.id, 80)}</span>
        {payload.label && payload.label_note && <span> · {plain(payload.label_note, 160)}</span>}
      </div>
      <div class="dbar acts">
        {!editing.value && (
          <button type="button" class="btn" disabled={off !== ""} title={off} onClick={() => (editing.value = true)}>
            {payload.label ? words.editLabel : words.writeLabel}
          </button>
        )}
        {payload.label && payload.n_active > 0 && state.off === "" && (
          <button type="button" class="btn" disabled={state.quiz.value !== null} onClick={() => state.judge()}>
            {words.judge}
          </button>
        )}
        {children}
      </div>
    </div>
  );
}

function Field({ view, payload, done }: Props & { done: () => void }) {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, []);
  const key = (event: KeyboardEvent) => {
    event.stopPropagation();
    if (event.isComposing) return;
    if (event.key === "Enter") {
      view.state.rename(event.currentTarget ? (event.currentTarget as HTMLInputElement).value : "");
      done();
    } else if (event.key === "Escape") done();
  };
  return (
    <input
      ref={field}
      class="labelfield"
      aria-label={words.label}
      maxLength={2000}
      defaultValue={payload.label}
      onKeyDown={key}
      onBlur={done}
    />
  );
}

function Meter({ meter: { name, score, random, n } }: { meter: LabelMeter }) {
  const x = (value: number) => `${Math.min(100, Math.max(0, value * 100))}%`;
  const { value, low, high } = score;
  return (
    <div class="meter" title={words.items(n)}>
      <div>{plain(name, 30)}</div>
      <div class="track" aria-hidden="true">
        {random !== null && <i class="base" style={{ left: x(random) }} />}
        {low !== null && high !== null && <i class="ci" style={{ left: x(low), right: `calc(100% - ${x(high)})` }} />}
        <i class="own" style={{ left: x(value) }} />
      </div>
      <div class="num">
        <b>{probability(value)}</b>{" "}
        {low !== null && high !== null && (
          <span class="q">
            [{probability(low)}, {probability(high)}]
          </span>
        )}
        {random !== null && <span class="hear">{words.randomScore(random)}</span>}
      </div>
    </div>
  );
}
