// The texts beside each other: filled by the features, underlined where they differ from the base, with their numbers.
import { activation, chance, count, probability, significant } from "../format";
import { letter, ramp, step } from "../palette";
import type { SteeringPayload, WrittenText } from "../payloads";
import { drawAll, plain } from "../signs";
import { type BaseView, disabledReason } from "../view";
import type { SteeringState } from "../views/steering";
import { Segments } from "./segments";

const NAMES: ReadonlyMap<string, string> = new Map([
  ["base", "Base"],
  ["steered", "Steered"],
  ["frozen", "Attention frozen"],
]);

interface Props {
  view: BaseView<SteeringState>;
  payload: SteeringPayload;
  /** A panel of an explorer: what is written, after the edits of all panels. */
  panel?: boolean;
}

/** The feature that is nearest to its maximum at a token. */
export function strongest({ sliders }: SteeringPayload, { values }: WrittenText, token: number) {
  let best = { slot: 0, level: 0, value: 0 };
  sliders.forEach(({ slot, maximum }, row) => {
    const value = values.data[row * values.columns + token] ?? 0;
    const level = step(value, maximum);
    if (level > best.level) best = { slot, level, value };
  });
  return best;
}

export function Columns({ view, payload, panel = false }: Props) {
  const { state } = view;
  const controls = payload.texts.filter(({ role }) => role === "direction" || role === "feature");
  const control = controls.find(({ role }) => role === state.control.value) ?? controls[0];
  const others = payload.texts.filter((text) => !controls.includes(text));
  const moved = payload.texts.some(({ role }) => role === "steered");
  const first = payload.sliders.find(({ maximum }) => maximum > 0);
  const off = disabledReason(state);
  return (
    <>
      <div class={`texts n${others.length + (moved ? 1 : 0)}${panel ? " pair" : ""}`}>
        {others.map((text) => (
          <Column key={text.role} payload={payload} text={text} busy={state.working} panel={panel} />
        ))}
        {moved && (
          <div class="column">
            {control ? (
              <Column payload={payload} text={control} busy={state.working} panel={panel}>
                {controls.length > 1 && (
                  <Segments
                    label="Control"
                    choices={[
                      { value: "direction", label: "direction" },
                      { value: "feature", label: "feature" },
                    ]}
                    value={control.role}
                    set={state.setControl}
                  />
                )}
              </Column>
            ) : (
              <h3>
                Control <span class="sub">{state.working ? "follows" : "not written"}</span>
              </h3>
            )}
          </div>
        )}
      </div>
      <div class="legend marks">
        {first && (
          <span>
            activation of {letter(first.slot)} 0
            <span class="sw1">
              {[1, 2, 3, 4, 5, 6, 7].map((n) => (
                <i key={n} class={ramp(first.slot, n)} />
              ))}
            </span>
            {activation(first.maximum)}, read without the edit
          </span>
        )}
        {moved && (
          <span>
            <span class="df">word</span> differs from base
          </span>
        )}
        {panel && moved && (
          <>
            {payload.target_name && <span>effect: probability of {plain(payload.target_name, 120)}</span>}
            <span>means over one text each</span>
            <span>error term {payload.context.error}</span>
          </>
        )}
        {!panel && payload.tokens_per_second > 0 && <span>{count(payload.tokens_per_second)} tokens/s</span>}
        <span class="sp" />
        {moved && !off && !panel && (
          <button
            type="button"
            class="link"
            aria-pressed={state.draft.value.frozen}
            onClick={() => state.want({ frozen: !state.draft.value.frozen })}
          >
            {state.draft.value.frozen ? "hide frozen attention" : "compare with frozen attention"}
          </button>
        )}
      </div>
    </>
  );
}

interface ColumnProps {
  payload: SteeringPayload;
  text: WrittenText;
  busy: boolean;
  /** Without the prompt, which stands above. */
  panel: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: any children
  children?: any;
}

function Column({ payload, text, busy, panel, children }: ColumnProps) {
  const { role, note, tokens, n_prompt, differs, finished } = text;
  const drawn = drawAll(tokens);
  const name = panel && role === "steered" ? "After the edits" : (NAMES.get(role) ?? "Control");
  return (
    <div class="column" role="group" aria-label={name}>
      <h3>
        {name} <span class="sub">{plain(note, 120)}</span> {children}
      </h3>
      <div class="gen">
        {drawn.map(({ runs, gap, breaks }, i) => {
          if ((i === 0 && tokens.kind[0] === 1) || (panel && i < n_prompt)) return null;
          const { slot, level, value } = i < n_prompt ? { slot: 0, level: 0, value: 0 } : strongest(payload, text, i);
          const names = [
            "pt",
            level ? `filled ${ramp(slot, level)}` : "",
            differs[i] ? "df" : "",
            i < n_prompt ? "q" : "",
          ];
          return (
            <span key={i}>
              {gap && " "}
              <span
                class={names.filter(Boolean).join(" ")}
                title={level ? `${letter(slot)} ${activation(value)} at position ${i}` : undefined}
              >
                {runs.map((run, r) =>
                  run.kind === "text" ? (
                    run.text
                  ) : (
                    <span key={r} class={run.kind}>
                      {run.kind === "mark" ? `‹${run.text}›` : run.text}
                    </span>
                  ),
                )}
              </span>
              {breaks && <br />}
            </span>
          );
        })}
        {!finished && busy && <span class="caret" aria-hidden="true" />}
        {finished === "cancelled" && <span class="sub"> stopped</span>}
      </div>
      <Numbers text={text} />
    </div>
  );
}

function Numbers({ text }: { text: WrittenText }) {
  return (
    <div class="ms">
      {text.effect !== null && (
        <span>
          <b>{chance(text.effect)}</b> <span class="sub">effect</span>
        </span>
      )}
      {text.kl !== null && text.role !== "base" && (
        <span>
          <b>{probability(text.kl)}</b> <span class="sub">KL</span>
        </span>
      )}
      {text.perplexity !== null && (
        <span>
          <b>{significant(text.perplexity)}</b> <span class="sub">perplexity</span>
        </span>
      )}
    </div>
  );
}
