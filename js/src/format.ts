// Numbers as the visual language writes them: true minus, thin space between thousands.

export const MINUS = "\u2212";
const THIN = "\u2009";

/** A number with a true minus; `plus` also marks the positive, zero stays bare. */
export function signed(value: number, decimals: number, plus = false): string {
  if (!Number.isFinite(value)) return "–";
  const text = Math.abs(value).toFixed(decimals);
  if (!/[1-9]/.test(text)) return text;
  return (value < 0 ? MINUS : plus ? "+" : "") + text;
}

/** An activation: one decimal, a plain 0 for none. */
export const activation = (value: number): string => (value === 0 ? "0" : signed(value, 1));

/** A probability, a score or a KL divergence. */
export const probability = (value: number): string => signed(value, 2);

/** A change of a probability: always with its sign. */
export const change = (value: number): string => signed(value, 2, true);

/** A count, thousands apart: "12 480". */
export const count = (value: number): string => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, THIN);

/** A share in per cent: "6 %". */
export const percent = (value: number): string => `${signed(value * 100, 0)} %`;

/** A range of two-decimal numbers, one number when they print alike. */
export function interval(low: number, high: number): string {
  const [a, b] = [probability(low), probability(high)];
  return a === b ? a : `${a}–${b}`;
}

/** A factor: "× 1.5". */
export const factor = (value: number): string =>
  `× ${signed(value, Math.abs(value * 10 - Math.round(value * 10)) < 1e-6 ? 1 : 2)}`;

/** "1 token", "2 tokens". */
export const plural = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
