// Axes: from a range of numbers to a place between 0 and 1, with ticks at round numbers. Plain numbers, no DOM.
import { count, MINUS, significant } from "./format";

export interface Axis {
  low: number;
  high: number;
  log: boolean;
  ticks: number[];
}

/** Nothing below has a place on a logarithmic axis. */
const TINY = 1e-290;
const ROUND = [1, 2, 5, 10];

/** A step of 1, 2 or 5 times a power of ten that gives at most `most` steps. */
export function niceStep(span: number, most: number): number {
  const raw = span / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * (ROUND.find((n) => n * power >= raw * (1 - 1e-9)) ?? 10);
}

/** An axis from `low` to `high`; the ends move out to ticks unless `tight`. */
export function linear(low: number, high: number, most = 5, tight = false): Axis {
  if (!(high - low > TINY)) {
    const half = Math.abs(low) > 1e-200 ? Math.abs(low) / 2 : 0.5;
    return linear(low - half, low + half, most, tight);
  }
  const step = niceStep(high - low, most);
  const first = tight ? Math.ceil(low / step - 1e-9) : Math.floor(low / step + 1e-9);
  const last = tight ? Math.floor(high / step + 1e-9) : Math.ceil(high / step - 1e-9);
  // Counted, not added up: no rounding piles up.
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  return { low: tight ? low : (ticks[0] ?? low), high: tight ? high : (ticks.at(-1) ?? high), log: false, ticks };
}

/** A logarithmic axis from `low` to `high`, both above 0: ticks at powers of ten, and between them where there is room. */
export function logarithmic(low: number, high: number, most = 5): Axis {
  if (!(low > TINY && high > TINY)) {
    return high > 100 * TINY ? logarithmic(high / 100, high, most) : logarithmic(0.01, 1, most);
  }
  if (high / low < 1.2) return logarithmic(low / 1.3, high * 1.3, most);
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.log10(high) + 1; power++) {
    for (const n of [1, 2, 5]) {
      const tick = n * 10 ** power;
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push(Number(tick.toPrecision(6)));
    }
  }
  // Within less than a decade round numbers are the better ticks.
  if (ticks.length < 2) return { low, high, log: true, ticks: linear(low, high, most, true).ticks };
  const decades = ticks.filter((tick) => Math.abs(Math.log10(tick) % 1) < 1e-9);
  const shown = ticks.length <= most + 1 ? ticks : decades.length >= 2 ? decades : ticks.filter((_, i) => i % 2 === 0);
  const every = Math.ceil(shown.length / (most + 1));
  return { low, high, log: true, ticks: shown.filter((_, i) => i % every === 0) };
}

/** Where a value stands on an axis, 0 to 1 from its low end; outside of it for values outside. */
export function place(axis: Axis, value: number): number {
  if (!axis.log) return (value - axis.low) / (axis.high - axis.low);
  const low = Math.log(axis.low);
  return (Math.log(Math.max(value, TINY)) - low) / (Math.log(axis.high) - low);
}

/** Smallest and greatest of the finite values, above 0 only when `positive`; null without any. */
export function range(values: Iterable<number>, positive = false): [number, number] | null {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value) || (positive && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : null;
}

/** Label of a tick: "0.05", "20 k", "2 M". */
export function tickLabel(value: number): string {
  const size = Math.abs(value);
  const sign = value < 0 ? MINUS : "";
  if (size >= 1e12) return significant(value);
  for (const [unit, name] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e4, "k"],
  ] as const) {
    const least = name === "k" ? 1e4 : unit;
    const by = name === "k" ? 1e3 : unit;
    if (size >= least) return `${sign}${Number((size / by).toPrecision(3))} ${name}`;
  }
  if (size >= 1000) return sign + count(size);
  return size === 0 || size >= 1e-4 ? sign + String(Number(size.toPrecision(4))) : significant(value);
}

/** Label of a tick that is a share: "5 %". */
export const shareLabel = (value: number): string => `${tickLabel(Number((value * 100).toPrecision(6)))} %`;

/** Index of the entry of rising `values` that is nearest to `value`. */
export function nearest(values: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  const before = values[low - 1];
  return before !== undefined && Math.abs(before - value) <= Math.abs((values[low] as number) - value) ? low - 1 : low;
}
