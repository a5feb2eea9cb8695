// Runs that were kept, to be compared: numbers in columns, the text whole on a click, and back to what made it.
import { useSignal } from "@preact/signals";
import { chance, count, probability, significant } from "../format";
import type { KeptRun, SteeringPayload } from "../payloads";
import { plain } from "../signs";
import { disabledReason } from "../view";
import type { SteeringView } from "../views/steering";
import * as common from "../words/common";
import * as words from "../words/steering";

interface Props {
  view: SteeringView;
  payload: SteeringPayload;
}

const number = (value: number | null, write: (value: number) => string): string =>
  value === null ? "–" : write(value);

export function KeptRuns({ view, payload }: Props) {
  const { state } = view;
  const open = useSignal<KeptRun | null>(null);
  const off = disabledReason(state) !== "";
  const steered = payload.texts.find(({ role }) => role === "steered");
  const ready = !off && steered !== undefined && steered.finished !== "" && steered.kl !== null;
  const restore = ({ prompt, mode, place, sliders, values, seed, temperature }: KeptRun) =>
    state.want({
      // Of a conversation only the view's own comes back.
      ...(!payload.messages.length && { prompt }),
      mode,
      place,
      seed,
      temperature,
      sliders: sliders.map((id, i) => ({ id, value: values[i] ?? 0 })),
    });
  if (off && payload.kept.length === 0) return null;
  return (
    <section aria-label={words.keptRuns} class="kept">
      <h3>
        {words.keptRuns}{" "}
        <button type="button" class="btn" disabled={!ready} onClick={() => state.tell({ type: "keep" })}>
          {words.keepThisOne}
        </button>
      </h3>
      {payload.kept.length > 0 && (
        <div class="across">
          <table>
            <thead>
              <tr>
                <th>{words.strengthColumn}</th>
                <th class="num">{common.seed}</th>
                <th class="num">{words.effect}</th>
                <th class="num">{words.kl}</th>
                <th class="num">{words.perplexity}</th>
                <th>{words.textColumn}</th>
                <th>
                  <span class="hear">{words.actions}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {payload.kept.map((run, i) => (
                <tr key={i} class={open.value === run ? "on" : ""}>
                  <td>{plain(run.note, 40)}</td>
                  <td class="num">{count(run.seed)}</td>
                  <td class="num">{number(run.effect, chance)}</td>
                  <td class="num">{number(run.kl, probability)}</td>
                  <td class="num">{number(run.perplexity, significant)}</td>
                  <td class="told">
                    <button
                      type="button"
                      class={open.value === run ? "whole" : "clip"}
                      aria-expanded={open.value === run}
                      onClick={() => {
                        open.value = open.value === run ? null : run;
                      }}
                    >
                      {plain(run.text, open.value === run ? 20_000 : 200) || words.noText}
                    </button>
                  </td>
                  <td class="num">
                    <button
                      type="button"
                      class="x"
                      disabled={off || (payload.messages.length > 0 && run.prompt !== payload.prompt)}
                      title={words.back}
                      aria-label={words.backToRun(i + 1)}
                      onClick={() => restore(run)}
                    >
                      ↺
                    </button>{" "}
                    <button
                      type="button"
                      class="x"
                      disabled={off}
                      title={words.drop}
                      aria-label={words.dropRun(i + 1)}
                      onClick={() => state.tell({ type: "drop", index: i })}
                    >
                      ×
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
