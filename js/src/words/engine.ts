// What a page that computes says of edits, and why it refuses: in the words that Python uses for the same.
// Numbers stand as Python prints them, without thin spaces.

// What an edit does, on a chip.
export const ablate = "ablate";
export const scale = (by: string): string => `× ${by}`;
export const clamp = (to: string): string => `clamp ${to}`;
export const clampWhenActive = (to: string): string => `clamp ${to} when active`;
export const steer = (by: string): string => `steer ${by}`;
export const steerOfNorm = (by: string): string => `steer ${by} × norm`;
export const atTokens = (edit: string, n: number): string => `${edit} at ${n} token${n === 1 ? "" : "s"}`;

// Edits that cannot be made.
export const noFeature = (id: string): string => `There is no feature ${id}.`;
export const indices = (dictionary: string, last: number): string => `${dictionary} (0 to ${last})`;
export const loaded = (dictionaries: string): string => `Loaded: ${dictionaries || "none"}.`;
export const errorBothWays = (dictionary: string): string =>
  `Edits on ${dictionary} both keep and drop its error term.`;
export const chooseOne = "Choose one for all of them.";
export const positionOutside = (position: number): string => `Position ${position} is outside the prompt.`;
export const promptLength = (tokens: number): string => `It has ${tokens} tokens.`;

// Prompts that cannot be read.
export const emptyPrompt = "The prompt is empty.";
export const typeSomething = "Type at least one character.";
export const noKnownToken = "The prompt has no token this model knows.";
export const typeOther = "Type something else.";
export const tooLong = (tokens: number, context: number): string => `${tokens} tokens; this model reads ${context}.`;
export const shorten = "Shorten the prompt.";

// Weights that are not in the page.
export const weightsMissing = (name: string): string => `This page lacks the weights ${name}.`;
export const weightsOutside = (name: string): string => `The weights ${name} lie outside the page.`;
export const exportAgain = "Export it again.";

// Answers to the view.
export const control = "control";
export const noSuchFile = (type: string): string => `This page cannot make a file of type ${type}.`;
export const copyTheCode = "Copy the code and run it in a notebook.";
export const unexpected = (error: string): string => `Unexpected ${error}.`;
export const lastGood = "The picture is the last good one.";
