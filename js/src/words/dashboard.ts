// Words of the dashboard of one feature, and of the examples and texts that other views show too.
import { activation, count, probability, share, signed, significant } from "../format";
import { helpKeys, ofTotal, plural, undoText } from "./common";

export const keys: readonly (readonly [string, string])[] = [
  ["Enter", "in the label: keep it"],
  ["Esc", "leave the label or the text"],
  ["← →", "move the slider, read the histogram"],
  undoText,
  helpKeys,
];

// The view, alone and in an explorer.
export const feature = (id: string, label: string): string => `Feature ${id} ${label}.`;
export const atlasOf = (source: string): string => `atlas of ${source}`;
export const openDashboard = "Open the dashboard";

// The label, and how far it holds.
export const label = "Label";
export const editLabel = "Edit label";
export const writeLabel = "Write a label";
export const doesItHold = "Does the label hold?";
export const meterLegend = "· 95 % interval, {mark} random feature";
export const items = (n: number): string => plural(n, "item");
export const randomScore = (score: number): string => `, random feature ${probability(score)}`;

// Judging a label blind.
export const judge = "Judge it blind";
export const asks: Readonly<Record<string, string>> = {
  detection: "Is the feature active somewhere in this text?",
  fuzzing: "Is it active on the tokens between << and >>, and not on others?",
};
export const questionOf = (at: number, n: number): string => `${at} of ${n}`;
export const done = "done";
export const saidToMean = (where: string, label: string): string => `${where} · said to mean “${label}”`;
export const close = "close";
export const yes = "Yes";
export const no = "No";
export const skip = "skip";
export const score = (name: string, value: number, n: number): string => `${name} ${probability(value)}, ${n} answers`;
export const guessing = (scores: string): string => `${scores}. Guessing gives 0.50.`;

// A text of one's own.
export const tryText = "Try your own text";
export const live = "· live";
export const ownText = "Your own text";
export const typeText = "Type a text to see the feature in it.";
export const mostAt = "max {value} at {token}";
export const alsoAt = " · {value} at {token}";
export const silent = "it does not fire here";

// Where it fires.
export const noAtlas = "No atlas: give one, as in sw.FeatureDashboard(scope, feature, atlas=atlas).";
export const neverFired = (n: number): string => `It never fired on ${count(n)} tokens.`;
export const nearestLive = " The nearest feature that does: {feature}.";
export const examples = "Examples";
/** The ways in which examples were drawn, by their names in the payload. */
export const groups: Readonly<Record<string, string>> = { interval: "by interval", top: "top", random: "random" };
export const groupNotes: Readonly<Record<string, string>> = {
  interval: "drawn uniformly from each interval",
  top: "the strongest, one per document",
  random: "drawn uniformly from all tokens where it fires",
};
export const active = (n: number, total: number): string => `${ofTotal(n, total)} tokens`;
export const atPosition = (value: string, position: number): string => `${value} at position ${position}`;
export const ablated = (change: number, low: number, high: number): string => {
  const [by, from, to] = [change, low, high].map((nats) => signed(nats, 2, true));
  return `; ablated, the next token ${by} nats (random features ${from} to ${to})`;
};
export const firesNowhere = "fires nowhere here";

// How strongly.
export const strength = "How strongly";
export const strengthNote = (density: number): string => `density ${share(density)}, half octaves, log count`;
export const barOf = (low: number, high: number, n: number): string =>
  `${significant(low, 2)} to ${significant(high, 2)}: ${count(n)} tokens`;
export const strengthSummary = (most: string): string => `Activations in half octaves, most at ${most}`;
export const here = (value: number): string => `here ${activation(value)}`;
export const max = (value: number): string => `max ${activation(value)}`;

// What it writes.
export const promotesSuppresses = "Promotes, suppresses";
export const promotes = "Promotes";
export const suppresses = "Suppresses";
export const throughUnembedding = "Decoder through the unembedding, final norm applied.";
export const shape = (skew: number, kurtosis: number): string =>
  ` Skew ${signed(skew, 1)}, kurtosis ${signed(kurtosis, 1)}.`;

// Features near it.
export const near = "Near it in the decoder";
export const together = "Fires together with";
export const alike = "Look-alikes in other dictionaries";
export const cosine = "cosine";
export const jaccard = "Jaccard";
export const open = (id: string): string => `open ${id}`;

// What a payload may lack.
export const noSlot = "The feature has no slot.";
export const noPeak = "An example has no peak.";
