// Numbers as the visual language writes them: true minus, a thin space that breaks no line between thousands.

export const MINUS = "\u2212";
const THIN = "\u202f";

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

/** A mean probability of a few words a token, which is often small: three decimals. */
export const chance = (value: number): string => signed(value, 3);

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

/** Three significant digits, at most three decimals: "0.123", "12.3", "1 234"; else a power of ten. */
export function significant(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-4 || size >= 1e9) return value.toExponential(1).replace("+", "").replaceAll("-", MINUS);
  if (size >= 10 ** digits) return (value < 0 ? MINUS : "") + count(size);
  // Two digits of a small number are enough: "0.0047".
  const kept = size < 0.01 ? 2 : digits;
  const decimals = kept - 1 - Math.floor(Math.log10(size));
  return signed(value, Math.min(size < 0.01 ? 8 : 3, Math.max(0, decimals)));
}

/** A share in per cent with two significant digits: "0.59 %", "12 %". */
export const share = (value: number): string =>
  `${value * 100 >= 99.5 && value < 10 ? count(value * 100) : significant(Number((value * 100).toPrecision(2)), 2)} %`;

/** A number of the unit that a payload names. */
export function quantity(value: number, unit: string): string {
  return unit === "share" ? `${significant(value * 100)} %` : significant(value);
}
