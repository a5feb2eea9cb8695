// From a payload to what each token looks like: fills, lanes, marks of change. Plain numbers, no DOM.
import { ramp, step } from "./palette";
import type { Bar, Look } from "./parts/token";
import type { ChosenFeature, HeatmapPayload, SiteView } from "./payloads";
import * as words from "./words/heatmap";

/** A change below this share of a feature's maximum is rounding, not an effect. */
const CHANGED = 0.01;

/** What fills the tokens. */
export interface Fill {
  before: ArrayLike<number>;
  after: ArrayLike<number> | null;
  maximum: number;
  /** Slot of the feature, `null` for a fill that belongs to none. */
  slot: number | null;
  /** The legend's words. */
  name: string;
}

const NOTHING: Fill = { before: [], after: null, maximum: 0, slot: null, name: "" };

function maximum(values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, values[i] as number);
  return most;
}

/** The fill in view. */
export function fillOf(
  payload: HeatmapPayload,
  fill: string,
  feature: ChosenFeature | null,
  site: SiteView | null,
): Fill {
  if (feature)
    return {
      before: feature.values,
      after: feature.after,
      maximum: feature.maximum,
      slot: feature.slot,
      name: words.fillActivation,
    };
  if (fill === "error" && site)
    return { before: site.error, after: site.error_after, maximum: 1, slot: null, name: words.fillError };
  if (fill !== "surprise") return NOTHING;
  const most = Math.max(maximum(payload.surprise), maximum(payload.surprise_after ?? []));
  return {
    before: payload.surprise,
    after: payload.surprise_after,
    maximum: most,
    slot: null,
    name: words.fillSurprise,
  };
}

/** Class of a token's fill; position 0 never has one. */
export function fillClass(fill: Fill, token: number, after: boolean): string {
  if (token <= 0) return "";
  const values = after && fill.after ? fill.after : fill.before;
  return ramp(fill.slot, step(values[token] ?? 0, fill.maximum));
}

/** Whether the edits changed a chosen feature at a token. */
export function changedAt(features: readonly ChosenFeature[], token: number): boolean {
  return features.some(({ after, values, maximum }) => {
    if (!after) return false;
    return Math.abs((after[token] ?? 0) - (values[token] ?? 0)) > CHANGED * Math.max(maximum, 1e-9);
  });
}

/** Bars of the lanes under a token: hollow where an edit removed the activation. */
export function barsAt(features: readonly ChosenFeature[], token: number, after: boolean): Bar[] {
  const bars: Bar[] = [];
  features.forEach((feature, lane) => {
    const before = feature.values[token] ?? 0;
    const now = after && feature.after ? (feature.after[token] ?? 0) : before;
    const gone = now <= 0 && before > 0;
    const value = gone ? before : now;
    if (value > 0) bars.push({ lane, slot: feature.slot, share: value / (feature.maximum || 1), gone });
  });
  return bars;
}

/** Everything about one token. `merged` shows before and after in one strip. */
export function lookAt(
  fill: Fill,
  features: readonly ChosenFeature[],
  token: number,
  after: boolean,
  merged = false,
): Look {
  if (token < 0) return { fill: "", top: "", changed: false, bars: [] };
  const changed = after && changedAt(features, token);
  const [now, was] = [fillClass(fill, token, after), fillClass(fill, token, false)];
  return { fill: now, top: merged && now !== was ? was || "none" : "", changed, bars: barsAt(features, token, after) };
}
