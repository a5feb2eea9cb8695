// Words of the Contrast.
import { probability } from "../format";
import { features, helpKeys, plural, undoFields } from "./common";

export const keys = [["Tab Space", "go to a feature, choose it"], undoFields, helpKeys] as const;

// The head and the foot.
export const whatTellsApart = "What tells them apart";
export const stale = "showing the contrast before your last change";
export const activeFeatures = (n: number): string => plural(n, "active feature");
export const overTokens = (pool: string): string => `${pool} over tokens`;

// The two sets.
export const sets = { positive: "positive", negative: "negative" } as const;
export const promptsOf = (set: string): string => `${set} prompts`;
export const promptsField = (set: string): string => `${set} prompts, one a line`;

// Confounds.
export const confounds = "Confounds";
export const lookOut = (name: string): string => `Look out, ${name}:`;
export const alone = (flagged: boolean, auroc: string, positive: number, negative: number): string =>
  `alone ${flagged ? "it tells the sets apart" : "it does not tell the sets apart"}, AUROC ${auroc}, ` +
  `mean ${probability(positive)} against ${probability(negative)}`;
export const position = "position";
export const moved = (n: number, total: number): string =>
  `${features(n)} of ${total} fire${n === 1 ? "s" : ""} at other positions in the two sets`;

// The features.
export const ofFeatures = "Features";
export const feature = "feature";
export const tracks = "0 · higher in negative · 0.5 · in positive · 1";
export const auroc = "AUROC";
export const activeInPositive = "active in positive";
export const activeInNegative = "active in negative";
export const meanInPositive = "mean in positive";
export const meanInNegative = "mean in negative";
export const choose = (feature: string): string => `choose ${feature}`;
export const follows = (confound: string): string => `follows ${confound}`;
/** What stands in the grey band, and how far it reaches from one half. */
export const greyBand = (c: {
  band: number;
  shuffles: number;
  shuffled: number;
  dictionaries: number;
  random: number;
}): string =>
  `grey: control, 0.5 ± ${probability(c.band)}: any feature under ${c.shuffles} shuffles of the labels ` +
  `± ${probability(c.shuffled)}, of ${c.dictionaries} random ` +
  `${c.dictionaries === 1 ? "dictionary" : "dictionaries"} ± ${probability(c.random)}; line: 95 %`;

// What is made of the selection.
export const madeOfSelection = "Made of the selection";
export const chosen = (n: number): string => `${features(n)} chosen:`;
export const bestThree = "of the best three, none is chosen:";
export const chooseNone = "choose none";
export const edit = "Edit";
export const probe = "Probe";
export const conceptBottleneck = "Concept bottleneck";

// The edit.
export const whatEditDoes = "What the edit does";
export const clamp = "clamp";
export const toMean = "to the mean of the positive prompts";
export const ablate = "ablate";
export const toZero = "to 0";
export const linkedTakeOver =
  "Linked views take it over (sw.link); an effect is theirs to measure, beside its control.";

// The probe.
export const probeOnHeldOut = "probe on held-out prompts";
export const inputs = "inputs";
export const accuracyColumn = "accuracy";
export const draws = "least to greatest draw";
export const ofControl = "(control)";
export const fromTo = (low: number, high: number): string => `${probability(low)} to ${probability(high)}`;

// The bottleneck: its accuracy.
export const accuracy = "Accuracy";
export const heldOutPrompts = (n: number): string => plural(n, "held-out prompt");
export const accuracyByCorrected = "Accuracy by corrected concepts";
export const concept = "concept";
export const corrected = "corrected";
export const control = "control";
export const intervals = (ranges: string): string => `95 %: ${ranges} · control: as many concepts of another prompt`;

// The bottleneck: its scores.
export const conceptScores = "Concept scores";
export const choosePrompt = "choose a prompt to set its concepts";
export const prompt = "prompt";
export const answer = "answer";
export const heldOut = "held out";

// The bottleneck: concepts are set.
export const noPromptChosen = "No prompt is chosen.";
export const intervention = "Intervention";
export const conceptOf = (name: string): string => `Concept ${name}`;
export const answers = "answer: {before} → {after}";
export const effect =
  "tick: before · bar: with the concepts set · grey: random features of like density. KL {kl}, random features and " +
  "directions up to {control}: {verdict}. 1 prompt, error kept, free propagation.";
export const moreThanControls = "more than every control";
export const noMoreThanControl = "no more than a control does";
export const moveSlider = "Move a slider: the model is run with the concept set.";
export const correctionMissesPrompt = "The correction is of no prompt.";
