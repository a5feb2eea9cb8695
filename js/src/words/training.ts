// Words of the TrainingMonitor.
import { count, percent } from "../format";
import { duration, features, helpKeys, ofTotal } from "./common";

export const keys = [
  ["← →", "read a chart, point by point"],
  ["Home End", "first and last point"],
  ["Esc", "back to the newest"],
  helpKeys,
] as const;

export const heard = (phase: string, done: number): string => `Training ${phase}, ${percent(done)} done.`;

// The buttons, and where the run stands.
export const pause = "Pause";
export const resume = "Resume";
export const start = "Start";
export const goOn = "Go on";
export const stop = "Stop";
export const runIsOver = "The run is over.";
export const stepOf = (phase: string, step: number, nSteps: number): string =>
  `${phase} · step ${ofTotal(step, nSteps)}`;
export const tokensPerSecond = (n: number): string => `${count(n)} tokens/s`;
export const left = (seconds: number): string => `${duration(seconds)} left`;

// Sparsity.
export const sparsity = "Sparsity";
export const featuresAToken = "Features a token, k";
export const coefficient = "Sparsity coefficient";
export const lower = (counted: boolean): string => `Lower: ${counted ? "sparser" : "denser"}`;
export const raise = (counted: boolean): string => `Raise: ${counted ? "denser" : "sparser"}`;

// Charts.
export const lossAxis = "Loss axis";
export const curves = "Curves";
export const loss = "Loss";
export const deadFeatures = "Dead features";
export const changedTo = (counted: boolean, values: string): string =>
  `dotted line: ${counted ? "k" : "sparsity"} changed to ${values}`;
export const densityNote = (silent: number): string => `share of tokens, log; ${features(silent)} silent`;
export const dense = "dense";

// Features as they form.
export const asTheyForm = "Features as they form";
export const peaksInColumn = "where they fire most now, peaks in one column";
export const noneFires = "None fires on the contexts that are watched yet.";

// The foot.
export const learningRate = (value: string): string => `learning rate ${value}`;
