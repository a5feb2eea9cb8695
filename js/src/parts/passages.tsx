// Contexts in which a feature fires, as a concordance: peaks in one column, so that patterns read downwards.
import { activation } from "../format";
import { ramp, step } from "../palette";
import type { FormingFeature, Passage } from "../payloads";

/** How a feature fills tokens: its colour, and what counts as full. */
type Fill = Pick<FormingFeature, "slot" | "maximum">;

import { draw, plain } from "../signs";
import { Key } from "./key";

interface TokenProps {
  text: string;
  fill: string;
}

/** One token, every invisible character by its name. */
function Token({ text, fill }: TokenProps) {
  const { runs, gap } = draw(text, 0);
  return (
    <>
      {gap && " "}
      <span class={fill ? `pt filled ${fill}` : "pt"}>
        {runs.map((run, i) =>
          run.kind === "text" ? (
            run.text
          ) : (
            <span key={i} class={run.kind}>
              {run.kind === "mark" ? `‹${run.text}›` : run.text}
            </span>
          ),
        )}
      </span>
    </>
  );
}

/** One decimal, but a weak one is not "0.0". */
const small = (value: number): string => (value > 0 && value < 0.05 ? "< 0.1" : activation(value));

/** One context, its peak in the middle column. */
export function PassageRow({ passage, feature }: { passage: Passage; feature: Fill }) {
  const { text, values, peak } = passage;
  const tokens = (from: number, to: number) =>
    text
      .slice(from, to)
      .map((word, i) => (
        <Token
          key={from + i}
          text={word}
          fill={ramp(feature.slot, step(values[from + i] as number, feature.maximum))}
        />
      ));
  return (
    <div class="passage">
      <div class="before">
        <div>{tokens(0, peak)}</div>
      </div>
      <div class="peak">{tokens(peak, peak + 1)}</div>
      <div class="after">{tokens(peak + 1, text.length)}</div>
      <div class="num q">{small(values[peak] ?? 0)}</div>
    </div>
  );
}

/** A feature's letter and id, and where it fires most. */
export function Passages({ feature }: { feature: FormingFeature }) {
  return (
    <div class="forming">
      <div class="who">
        <Key feature={feature} /> <span class="id clip">{plain(feature.id, 60)}</span>
      </div>
      {feature.passages.length === 0 && <p class="sub">fires nowhere here</p>}
      {feature.passages.map((passage, i) => (
        <PassageRow key={i} passage={passage} feature={feature} />
      ))}
    </div>
  );
}
