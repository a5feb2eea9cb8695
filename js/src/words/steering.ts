// Words of the steering view and of steering in a live page.
import { count } from "../format";
import { helpKeys, ofTotal, plural, prompts, randomDirections, randomFeatures, tokens, undoFields } from "./common";

export const keys: readonly (readonly [string, string])[] = [
  ["← →", "move a slider, read a chart point by point"],
  ["/", "search a feature"],
  ["Esc", "stop writing"],
  undoFields,
  helpKeys,
];

// Measures: under each text, and over the columns of the kept runs.
export const effect = "effect";
export const kl = "KL";
export const perplexity = "perplexity";

// The bar: the prompt, what a slider does, where, and the numbers.
export const whatASliderDoes = "What a slider does";
export const additive = "additive";
export const addsToTheFeature = "adds to the feature";
export const clamp = "clamp";
export const setsTheFeature = "sets the feature";
export const scale = "scale";
export const multipliesTheFeature = "multiplies the feature";
export const where = "Where";
export const inPrompt = "prompt";
export const inNew = "new";
export const inBoth = "both";
export const temperature = "temperature";
export const stopWriting = "Stop";
export const newSeed = "New seed";

// A conversation.
export const conversation = "Conversation";
export const whatIsSaid = (role: string, message: number): string => `What ${role} says, message ${message}`;
export const assistant = "assistant";
export const writesBelow = "writes below";

// How far it is.
export const writingFirst = "Writing …";
export const stale = "showing the text before your last change";
export const writing = (n: number): string => `writing · ${tokens(n)}`;
export const measuring = "measuring";
export const measuringTexts = (n: number, planned: number): string => `measuring ${ofTotal(n, planned)}`;
export const wasStopped = "stopped";
export const steeredAloud = (text: string): string => `Steered: ${text}.`;

// The foot.
export const temperatureOf = (value: string): string => `temperature ${value}`;
export const errorOf = (policy: string): string => `error ${policy}`;
export const attentionOf = (propagation: string): string => `${propagation} attention`;

// The texts beside each other.
export const base = "Base";
export const steered = "Steered";
export const attentionFrozen = "Attention frozen";
export const control = "Control";
export const afterTheEdits = "After the edits";
export const direction = "direction";
export const feature = "feature";
export const follows = "follows";
export const notWritten = "not written";
export const activationScale = "activation of {feature} 0{ramp}{maximum}, read without the edit";
export const differsFromBase = "{word} differs from base";
export const word = "word";
export const effectIsProbabilityOf = (target: string): string => `effect: probability of ${target}`;
export const meansOverOneText = "means over one text each";
export const tokensPerSecond = (n: number): string => `${count(n)} tokens/s`;
export const hideFrozen = "hide frozen attention";
export const compareFrozen = "compare with frozen attention";
export const atPosition = (feature: string, value: string, position: number): string =>
  `${feature} ${value} at position ${position}`;

// The sliders.
export const sliders = "Sliders";
export const baseAlone = "The base alone: add a feature to steer with.";
export const strongInPrompt = "strong in the prompt:";
export const strengthOf = (feature: string): string => `Strength of ${feature}`;
export const ofResidualNorm = (share: string): string => `of residual norm ${share}`;
export const removeFeature = (feature: string): string => `Remove ${feature}`;
export const remove = "remove";

// What each strength does.
/** How Python begins the verdict when no strength does more than its controls. */
export const verdictNo = "No";
export const doseAndResponse = "Dose and response";
export const effectLabel = "Effect: probability of";
export const wordsOfTheEffect = "Words that count as the effect";
export const howItTravels = "How the effect travels in the curves";
export const attentionToPromptFrozen = "attention to the prompt frozen";
export const directAlongBase = "direct effect, along the base text";
export const probabilityPerToken = "probability a token";
export const klFromBase = "KL from base";
export const natsPerToken = "nats a token";
export const perplexityHead = "Perplexity";
export const ofBaseTextLog = "of the base text, log";
export const uneditedModelLog = "unedited model, log";
export const againstStrength = (title: string, base: string): string =>
  `${title} against strength; without edits ${base}`;
export const controlsBetween = (low: string, high: string): string => `, controls ${low} to ${high}`;
export const controlBand = (directions: number): string =>
  `control band: ${randomDirections(directions)} of the same norm`;
export const controlBandOfBoth = (directions: number, features: number): string =>
  `${controlBand(directions)}, ${randomFeatures(features)} of like density`;
export const texts = (n: number): string => plural(n, "text");
export const textsOfPlanned = (n: number, planned: number): string => `${texts(n)} of ${planned}`;
export const measuredOn = (nPrompts: number, written: string, nTokens: number): string =>
  `${prompts(nPrompts)}, ${written} of ${tokens(nTokens)}`;

// What is bought with how much.
export const boughtWith = "Bought with";
export const effectAgainstKl = "effect against KL";
export const topLeftIsBetter = "Effect against KL from the base; top left is better";
export const effectForNats = (effect: string, nats: string): string => `effect ${effect} for ${nats} nats`;
export const randomDirection = "random direction";
export const randomFeature = "random feature";

// Runs that were kept.
export const keptRuns = "Kept runs";
export const keepThisOne = "Keep this one";
export const strengthColumn = "strength";
export const textColumn = "text";
export const actions = "actions";
export const noText = "no text";
export const back = "back to this run";
export const backToRun = (run: number): string => `Back to run ${run}`;
export const drop = "drop";
export const dropRun = (run: number): string => `Drop run ${run}`;

// Steering in a live page.
export const steer = "Steer";
export const addsInItsUnits = "· adds to the activation of a feature, in its units";
export const featureToSteer = "Feature to steer";
export const strength = "Strength";
export const tokensToSteer = "Tokens to steer";
export const allTokens = "all tokens";
export const tokenAt = (position: number, token: string): string => `token ${position} ${token}`;
export const steeredBy = (value: number): string => `Steered by ${value}`;

// Why a payload cannot be drawn.
export const badSlider = "A slider has no slot or no way to go.";
export const unequalText = "A text and its values are of unequal length.";
export const unequalCurves = "The curves are of unequal length.";
export const curvesMissControls = "The curves miss their controls.";
