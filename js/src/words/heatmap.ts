// Words of the heatmap: its strip, its features and edits, its predictions; and of a text of one's own in a dashboard.
import { count } from "../format";
import { helpKeys, ofTotal, plural, randomFeatures, undoRedo } from "./common";

// The help.
export const keys: readonly (readonly [string, string])[] = [
  ["← → ↑ ↓", "move over the tokens"],
  ["Home End", "first and last token"],
  ["Enter", "edit the text; again, or Esc, ends it"],
  ["Shift+Enter", "a new line, while editing"],
  ["Space", "add the strongest feature of the token"],
  ["a … h", "fill with that feature"],
  ["[ ]", "layer down, up"],
  ["/", "search a feature"],
  undoRedo,
  helpKeys,
];

// Why editing is off, here and in every view.
export const savedPicture = "A saved picture: editing needs a live model.";
export const kernelSilent = "The kernel does not answer. Is it busy, or gone?";

// What a screen reader is told of the result. The number stands as it is, without a thin space.
export const tokensRead = (n: number): string => `${n} tokens.`;
export const mostLikelyNext = (token: string): string => `Most likely next: ${token}.`;

// The strip, and its editor.
export const before = "before";
export const after = "after";
export const show = "Show";
export const tokensAfter = "Tokens after the edits";
export const cannotEditMarks = "This text has a pile of combining marks that a browser cannot edit.";
export const setPromptInPython = "Set the prompt in Python.";

// One token, in the tooltip.
export const errorOf = (share: string): string => `error ${share}`;
export const surpriseOf = (nats: string): string => `surprise ${nats} nats`;
export const partOfCharacter = "part of a character";
export const tokenAndId = (text: string, token: number, id: number): string =>
  `${text} · token ${count(token)} · id ${id}`;

// The legend.
export const fillActivation = "activation";
export const fillError = "error share of the norm";
export const fillSurprise = "surprise, nats";
export const fillOf = (what: string): string => `fill: ${what} 0`;
export const lanes = (letters: string): string => `lanes ${letters}: bar height, each to its own maximum`;
export const hollowRemoved = "hollow: removed by the edit";
export const dotChanged = "dot: token changed";
export const dottedLineChanged = "dotted line: token changed";
export const railGreatest = "rail: the greatest of each slice";
export const topEdgeBefore = "top edge: before";

// Features and edits.
export const featuresAndEdits = "Features and edits";
export const noEdits = "no edits";
export const edits = (n: number): string => plural(n, "edit");
export const errorTermKept = "error term kept";
export const errorTermDropped = "error term dropped";
export const onHidden = (n: number): string => `${n} on features not shown`;
export const whatBecomesOfErrorTerm = "what becomes of the dictionary's error term under the edits";
export const dropped = "dropped";
export const noneChosen = "No feature chosen. Press {key} to search.";
export const noneChosenOrTake = "No feature chosen. Press {key} to search, or {take}.";
export const takeStrongest = "take the three strongest";

// One feature among them, by its letter.
export const featureNamed = (letter: string, name: string): string => `Feature ${letter}, ${name}`;
export const greatestAt = (token: number): string => `greatest in this text, at token ${token}`;
export const amongStrongest = "where among the strongest";
export const fillWith = (what: string): string => `Fill with ${what}`;
export const fillTokens = "fill the tokens with this feature";
export const factorOf = (letter: string): string => `Factor of ${letter}`;
export const ablate = "ablate";
export const reset = "reset";
export const undoThisEdit = "undo this edit";
export const ablateFeature = (done: string, letter: string): string => `${done}, Ablate ${letter}`;
export const resetFeature = (done: string, letter: string): string => `${done}, Reset ${letter}`;
export const remove = "remove";
export const removeFeature = (letter: string, name: string): string => `Remove ${letter}, ${name}`;

// The search.
export const added = (name: string): string => `Added ${name}`;
export const featuresFound = "Features found";
export const noneFound = "No feature with this number or these words.";

// The next token.
export const barAfterTickBefore = "bar: after, tick: before";
export const noPredictions = "This picture has no predictions after this token.";
export const controlSameEdit = (n: number): string => `control: ${randomFeatures(n)}, same edit`;
export const controlRanges = (features: string, directions: string): string =>
  `control: features ${features}, directions ${directions}`;

// The strongest features.
export const strongest = "Strongest features";
export const strongestAt = "Strongest at token {at} {token}";
export const activeAndError = (active: number, width: number, error: string): string =>
  `${ofTotal(active, width)} active · error ${error} of norm`;
export const noneListed = "No features are listed at this token.";
export const fewer = "fewer";
export const more = (n: number): string => `${count(n)} more`;
export const add = (name: string): string => `Add ${name}`;

// What is done to the feature of a dashboard in a text of one's own.
export const scale = "scale";
export const steer = "steer";
export const restore = "restore";
export const ablated = "ablated";
export const addedToFeature = "Added to the feature";
export const atEveryToken = (amount: string): string => `${amount} at every token`;
export const factorOfFeature = "Factor of the feature";
