// A concept bottleneck: scores of every prompt, sliders that set concepts while the model runs, what correcting buys.
import { useSignal } from "@preact/signals";
import { fill } from "../fill";
import { probability } from "../format";
import type { ContrastBottleneck, ContrastPayload } from "../payloads";
import { plain } from "../signs";
import type { ContrastView } from "../views/contrast";
import * as words from "../words/contrast";
import { LineChart } from "./linechart";
import { PredictionRows } from "./predictions";
import { Slider } from "./slider";

interface Props {
  view: ContrastView;
  payload: ContrastPayload;
  made: ContrastBottleneck;
}

export function Bottleneck({ view, payload, made }: Props) {
  const cursor = useSignal<number | null>(null);
  const { measures, corrected, accuracy, low, high, control, concepts, held } = made;
  const n = held.reduce((sum, one) => sum + one, 0);
  const ends = [...low].map((value, i) => words.fromTo(value, high[i] ?? 0));
  return (
    <>
      <div class="grid halves">
        <section aria-label={words.accuracy}>
          <h3>
            {words.accuracy} <span class="sub">· {words.heldOutPrompts(n)}</span>
          </h3>
          <table>
            <tbody>
              {measures.map(({ name, accuracy: value, low: from, high: to }) => (
                <tr key={name}>
                  <th scope="row">{plain(name, 60)}</th>
                  <td class="num">{probability(value)}</td>
                  <td class="num q ci-text">
                    {from !== null && to !== null && `[${probability(from)}, ${probability(to)}]`}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
        <div>
          <LineChart
            title={words.accuracyByCorrected}
            unit={words.concept}
            lines={[
              { name: words.corrected, values: accuracy },
              { name: words.control, values: control },
            ]}
            steps={corrected}
            end={concepts.length}
            log={false}
            cursor={cursor}
            write={probability}
            marks={[]}
          />
          <p class="sub">{words.intervals(ends.join("; "))}</p>
        </div>
      </div>
      <div class="grid halves">
        <Scores view={view} payload={payload} made={made} />
        <Corrected view={view} payload={payload} made={made} />
      </div>
    </>
  );
}

function Scores({ view: { state }, payload, made }: Props) {
  const prompts = [...payload.positive, ...payload.negative];
  const { concepts, readers, scores, answers, held } = made;
  const { example } = state.now;
  return (
    <section aria-label={words.conceptScores}>
      <h3>
        {words.conceptScores} <span class="sub">· {words.choosePrompt}</span>
      </h3>
      <div class="rowsbox" tabIndex={0}>
        <table class="scores">
          <thead>
            <tr>
              <th scope="col">{words.prompt}</th>
              {concepts.map((name, k) => (
                <th key={k} scope="col" class="num" title={plain(readers[k] ?? "", 600)}>
                  {plain(name, 24)}
                </th>
              ))}
              <th scope="col">{words.answer}</th>
            </tr>
          </thead>
          <tbody>
            {prompts.map((prompt, i) => (
              <tr key={i} class={i === example ? "on" : ""}>
                <th scope="row">
                  <button
                    type="button"
                    aria-pressed={i === example}
                    disabled={!state.live.value}
                    onClick={() => state.want({ example: i, corrected: {} })}
                  >
                    {plain(prompt, 200)}
                  </button>
                </th>
                {concepts.map((_, k) => (
                  <td key={k} class="num">
                    {probability(scores.data[i * concepts.length + k] ?? 0)}
                  </td>
                ))}
                <td>
                  {plain(answers[i] ?? "", 24)}
                  {held[i] === 1 && <span class="sub"> {words.heldOut}</span>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Corrected({ view: { state }, payload, made }: Props) {
  const prompts = [...payload.positive, ...payload.negative];
  const { concepts, scores, answers, correction: one } = made;
  const { example, corrected } = state.now;
  const prompt = prompts[example];
  if (prompt === undefined) return <p class="sub">{words.noPromptChosen}</p>;
  return (
    <section aria-label={words.intervention}>
      <h3>{plain(prompt, 200)}</h3>
      {concepts.map((name, k) => {
        const read = scores.data[example * concepts.length + k] ?? 0;
        const value = corrected[name] ?? read;
        return (
          <div key={k} class="setter">
            <span class="clip">{plain(name, 40)}</span>
            <Slider
              slot={k}
              label={words.conceptOf(plain(name, 40))}
              value={value}
              spoken={probability(value)}
              middle={0.5}
              half={0.5}
              disabled={!state.live.value}
              set={(to, dragging) => state.want({ example, corrected: { ...corrected, [name]: to } }, dragging)}
            />
            <span class="num">{probability(value)}</span>
          </div>
        );
      })}
      {one && one.prompt === example ? (
        <>
          <p>
            {fill(words.answers, {
              before: plain(answers[example] ?? "", 24),
              after: <b>{plain(one.answer, 24)}</b>,
            })}
          </p>
          <PredictionRows
            edited
            rows={one.words.map((text, k) => ({
              text,
              before: one.before[k] ?? 0,
              now: one.after[k] ?? 0,
              control: [one.low[k] ?? 0, one.high[k] ?? 0],
            }))}
          />
          <p class="sub">
            {fill(words.effect, {
              kl: probability(one.kl),
              control: probability(one.kl_control),
              verdict: one.kl > one.kl_control ? words.moreThanControls : <b>{words.noMoreThanControl}</b>,
            })}
          </p>
          <div class="card">{plain(one.code, 4000)}</div>
        </>
      ) : (
        <p class="sub">{words.moveSlider}</p>
      )}
    </section>
  );
}
