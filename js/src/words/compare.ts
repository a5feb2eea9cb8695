// Words of the Compare.

// The two sides.
export const side = (letter: string): string => `Side ${letter}`;
/** Follows the name of a part of one side. */
export const ofSide = (letter: string): string => ` of ${letter}`;
export const pairAt = (pair: number, n: number): string => `Pair ${pair} of ${n}.`;
export const staleComparison = "showing the comparison before your last edit";
export const heatmapsMissing = "The two heatmaps did not arrive.";
export const runAgainOrShowSides = "Run the cell again, or show view.left and view.right.";
export const noSuchPair = "There is no such pair.";

// Next tokens that differ.
export const tickAndBar = "· tick: A, bar: B";
export const noPredictions = "No predictions to compare here.";
export const klAToB = "nats KL, A to B";
export const klBToA = "B to A";
/** `way` is one of the two below. */
export const controlOf = (letter: string, features: string, kl: string, klDirections: string, way: string): string =>
  `control: the edits of ${letter} on ${features} ${kl}, in random directions ${klDirections} nats KL ${way}`;
export const controlAToB = "A to B · band: those features";
export const controlBToA = "B to A";

// Features that differ.
export const featuresThatDiffer = "Features that differ";
export const features = "Features";
export const tickBarActivation = "· tick: A, bar: B · activation A → B";
export const twoDictionaries = "Not one by one: two dictionaries.";
export const noFeatureDiffers = "No feature differs at this pair.";
export const add = (feature: string): string => `Add ${feature}`;
export const cosine = (value: string): string => `cos ${value}`;
