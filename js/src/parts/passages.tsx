// Contexts in which a feature fires, as a concordance: peaks in one column, so that patterns read downwards.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { activation } from "../format";
import { ramp, step } from "../palette";
import type { FormingFeature, Passage } from "../payloads";
import { draw, plain } from "../signs";
import * as words from "../words/dashboard";
import { Key } from "./key";

/** How a feature fills tokens: its colour, and what counts as full. */
type Fill = Pick<FormingFeature, "slot" | "maximum">;

/** Tokens farther from the peak than this are left out of a narrow view. */
const NEAR = 12;

interface TokenProps {
  text: string;
  fill: string;
  title?: string;
  far?: boolean;
  /** Whether a line begins here in a narrow view: without the gap. */
  first?: boolean;
}

/** One token, every invisible character by its name. */
function Token({ text, fill, title, far = false, first = false }: TokenProps) {
  const { runs, gap } = draw(text, 0);
  const space = gap && " ";
  return (
    <>
      {far || first ? <span class="far">{space}</span> : space}
      <span class={`pt${fill ? ` filled ${fill}` : ""}${far ? " far" : ""}`} title={title}>
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

interface RowProps {
  passage: Passage;
  feature: Fill;
  /** Where the peak stands in its context, if that is known: a hover says value and position of each token. */
  position?: number | undefined;
  /** Asks for the effects, once the pointer rests on the row. */
  measure?: (() => Promise<Effect | null>) | undefined;
}

/** What ablating the feature does to the log probability of each next token, nats; and random features, low to high. */
export interface Effect {
  change: number[];
  low: number[];
  high: number[];
}

/** A pointer that rests this long wants to know, ms. */
const REST = 120;

/** One context, its peak in the middle column. */
export function PassageRow({ passage, feature, position, measure }: RowProps) {
  const { text, values, peak } = passage;
  const effect = useSignal<Effect | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  useEffect(() => () => clearTimeout(timer.current), []);
  const enter = () => {
    if (!measure || effect.value) return;
    timer.current = setTimeout(async () => {
      effect.value = await measure();
    }, REST);
  };
  const owed = (at: number): string => {
    const found = effect.value;
    const change = found?.change[at];
    if (!found || change === undefined) return "";
    return words.ablated(change, found.low[at] ?? 0, found.high[at] ?? 0);
  };
  const tokens = (from: number, to: number) =>
    text.slice(from, to).map((word, i) => {
      const at = from + i;
      const value = values[at] as number;
      const title =
        position === undefined ? undefined : words.atPosition(small(value), position + at - peak) + owed(at);
      const fill = ramp(feature.slot, step(value, feature.maximum));
      const far = Math.abs(at - peak) > NEAR;
      return <Token key={at} text={word} fill={fill} title={title} far={far} first={at === Math.max(0, peak - NEAR)} />;
    });
  return (
    <div class="passage" onPointerEnter={enter} onPointerLeave={() => clearTimeout(timer.current)}>
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
      {feature.passages.length === 0 && <p class="sub">{words.firesNowhere}</p>}
      {feature.passages.map((passage, i) => (
        <PassageRow key={i} passage={passage} feature={feature} />
      ))}
    </div>
  );
}
