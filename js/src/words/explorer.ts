// Words of the Explorer.
import { nextToken, plural } from "./common";

// The panels.
export const circuit = "Circuit";
export const focusedFeature = "Focused feature";
export const whatItSays = "What it says";
export const diary = "Diary";
export const titles = ["Text", "Features", circuit, nextToken, focusedFeature, whatItSays, diary] as const;
export const comparison = "Comparison";

// The bar on top.
export const preset = "Preset";
export const presets = { researcher: "researcher", lecture: "lecture", compare: "compare" } as const;
export const compareNeedsModel = "A page has no model: save it while it compares.";
export const edits = "Edits";
export const sides = { before: "before", after: "after", both: "both" } as const;

// A lecture: one panel after the other.
export const panels = "Panels";
export const panelBefore = "Panel before";
export const nextPanel = "Next panel";
export const turnKeys: readonly [string, string] = ["Page Up, Page Down", "in a lecture: the panel before, the next"];

// The lines between the panels.
export const widthOfFeatures = "Width of the features";
export const widthOfPredictions = "Width of the predictions";
export const widthOfFocused = "Width of the focused feature";

// One number of each folded panel.
export const notThere = "not there";
export const nodes = (n: number): string => plural(n, "node");
export const density = (share: string): string => `density ${share}`;
export const noEdit = "no edit";
export const klOf = (kl: string): string => `${kl} nats KL`;
export const steps = (n: number): string => plural(n, "step");

// Why a panel is empty.
export const noFeatureInHand = "No feature is in hand: choose one in the strip.";
export const dashboardNotCarried = (feature: string): string => `This page does not carry the dashboard of ${feature}.`;
export const noSuchPanel = "This picture has no such panel.";
export const panelMissing = (name: string): string => `The panel “${name}” did not arrive.`;

// The chips over the strip.
export const letteredFeatures = "Lettered features";
export const ablated = "ablated";
export const edited = "edited";

// The diary.
export const asCode = "· what was done, as code";
export const nothingYet = "Nothing yet.";
export const stepsList = "Steps";
export const goBack = "Go back to this step";
export const exportNotebook = "Export as notebook";
