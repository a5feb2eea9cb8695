// A concept bottleneck: scores of every prompt, sliders that set concepts while the model runs, what correcting buys.
import { useSignal } from "@preact/signals";
import { plural, probability } from "../format";
import type { ContrastBottleneck, ContrastPayload } from "../payloads";
import { plain } from "../signs";
import type { ContrastView } from "../views/contrast";
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
  const ends = [...low].map((value, i) => `${probability(value)} to ${probability(high[i] ?? 0)}`);
  return (
    <>
      <div class="grid halves">
        <section aria-label="Accuracy">
          <h3>
            Accuracy <span class="sub">· {plural(n, "held-out prompt")}</span>
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
            title="Accuracy by corrected concepts"
            unit="concept"
            lines={[
              { name: "corrected", values: accuracy },
              { name: "control", values: control },
            ]}
            steps={corrected}
            end={concepts.length}
            log={false}
            cursor={cursor}
            write={probability}
            marks={[]}
          />
          <p class="sub">95 %: {ends.join("; ")} · control: as many concepts of another prompt</p>
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
    <section aria-label="Concept scores">
      <h3>
        Concept scores <span class="sub">· choose a prompt to set its concepts</span>
      </h3>
      <div class="rowsbox" tabIndex={0}>
        <table class="scores">
          <thead>
            <tr>
              <th scope="col">prompt</th>
              {concepts.map((name, k) => (
                <th key={k} scope="col" class="num" title={plain(readers[k] ?? "", 600)}>
                  {plain(name, 24)}
                </th>
              ))}
              <th scope="col">answer</th>
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
                  {held[i] === 1 && <span class="sub"> held out</span>}
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
  if (prompt === undefined) return <p class="sub">No prompt is chosen.</p>;
  return (
    <section aria-label="Intervention">
      <h3>{plain(prompt, 200)}</h3>
      {concepts.map((name, k) => {
        const read = scores.data[example * concepts.length + k] ?? 0;
        const value = corrected[name] ?? read;
        return (
          <div key={k} class="setter">
            <span class="clip">{plain(name, 40)}</span>
            <Slider
              slot={k}
              label={`Concept ${plain(name, 40)}`}
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
            answer: {plain(answers[example] ?? "", 24)} → <b>{plain(one.answer, 24)}</b>
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
            tick: before · bar: with the concepts set · grey: random features of like density. KL {probability(one.kl)},
            random features and directions up to {probability(one.kl_control)}:{" "}
            {one.kl > one.kl_control ? "more than every control" : <b>no more than a control does</b>}. 1 prompt, error
            kept, free propagation.
          </p>
          <div class="card">{plain(one.code, 4000)}</div>
        </>
      ) : (
        <p class="sub">Move a slider: the model is run with the concept set.</p>
      )}
    </section>
  );
}
