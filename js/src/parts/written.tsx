// The texts beside each other: filled by the features, underlined where they differ from the base, with their numbers.
import { fill } from "../fill";
import { activation, chance, probability, significant } from "../format";
import { letter, ramp, step } from "../palette";
import type { SteeringPayload, WrittenText } from "../payloads";
import { drawAll, plain } from "../signs";
import { type BaseView, disabledReason } from "../view";
import type { SteeringState } from "../views/steering";
import * as common from "../words/common";
import * as words from "../words/steering";
import { Segments } from "./segments";

const NAMES: ReadonlyMap<string, string> = new Map([
  ["base", words.base],
  ["steered", words.steered],
  ["frozen", words.attentionFrozen],
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
                    label={words.control}
                    choices={[
                      { value: "direction", label: words.direction },
                      { value: "feature", label: words.feature },
                    ]}
                    value={control.role}
                    set={state.setControl}
                  />
                )}
              </Column>
            ) : (
              <h3>
                {words.control} <span class="sub">{state.working ? words.follows : words.notWritten}</span>
              </h3>
            )}
          </div>
        )}
      </div>
      <div class="legend marks">
        {first && (
          <span>
            {fill(words.activationScale, {
              feature: letter(first.slot),
              ramp: (
                <span class="sw1">
                  {[1, 2, 3, 4, 5, 6, 7].map((n) => (
                    <i key={n} class={ramp(first.slot, n)} />
                  ))}
                </span>
              ),
              maximum: activation(first.maximum),
            })}
          </span>
        )}
        {moved && <span>{fill(words.differsFromBase, { word: <span class="df">{words.word}</span> })}</span>}
        {panel && moved && (
          <>
            {payload.target_name && <span>{words.effectIsProbabilityOf(plain(payload.target_name, 120))}</span>}
            <span>{words.meansOverOneText}</span>
            <span>{common.errorTermOf(payload.context.error)}</span>
          </>
        )}
        {!panel && payload.tokens_per_second > 0 && <span>{words.tokensPerSecond(payload.tokens_per_second)}</span>}
        <span class="sp" />
        {moved && !off && !panel && (
          <button
            type="button"
            class="link"
            aria-pressed={state.draft.value.frozen}
            onClick={() => state.want({ frozen: !state.draft.value.frozen })}
          >
            {state.draft.value.frozen ? words.hideFrozen : words.compareFrozen}
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
  const name = panel && role === "steered" ? words.afterTheEdits : (NAMES.get(role) ?? words.control);
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
                title={level ? words.atPosition(letter(slot), activation(value), i) : undefined}
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
        {finished === "cancelled" && <span class="sub"> {words.wasStopped}</span>}
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
          <b>{chance(text.effect)}</b> <span class="sub">{words.effect}</span>
        </span>
      )}
      {text.kl !== null && text.role !== "base" && (
        <span>
          <b>{probability(text.kl)}</b> <span class="sub">{words.kl}</span>
        </span>
      )}
      {text.perplexity !== null && (
        <span>
          <b>{significant(text.perplexity)}</b> <span class="sub">{words.perplexity}</span>
        </span>
      )}
    </div>
  );
}
