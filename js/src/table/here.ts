// A table without a kernel: the rows of its page, filtered and sorted here.
import type { FeatureTablePayload } from "../payloads";
import type { Asked } from "./state";

/** Value of a row's statistic, `null` where unknown. */
export function statisticOf(payload: FeatureTablePayload, rows: FeatureTablePayload["rows"], at: number, name: string) {
  const column = payload.statistics.findIndex((statistic) => statistic.name === name);
  const place = at * rows.values.columns + column;
  return column >= 0 && rows.known[place] ? (rows.values.data[place] as number) : null;
}

/** Places of the page's rows that fit, in order. */
export function arrange(payload: FeatureTablePayload, asked: Asked): number[] {
  const { rows } = payload;
  const each = rows.index.length ? rows.words.length / rows.index.length : 0;
  const words = asked.query.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (at: number): boolean => {
    const text = [rows.index[at], rows.label[at], ...rows.words.slice(at * each, (at + 1) * each)]
      .join(" ")
      .toLowerCase();
    if (asked.query !== payload.query && !words.every((word) => text.includes(word))) return false;
    return asked.filters.every(({ name, low, high }) => {
      const value = statisticOf(payload, rows, at, name);
      return value !== null && value >= (low ?? -Infinity) && value <= (high ?? Infinity);
    });
  };
  const places = Array.from(rows.index, (_, at) => at).filter(fits);
  if (asked.sort === payload.sort && asked.descending === payload.descending) return places;
  const sign = asked.descending ? -1 : 1;
  const key = (at: number): number => {
    const value = statisticOf(payload, rows, at, asked.sort);
    return value === null ? Number.POSITIVE_INFINITY : sign * value;
  };
  return places.sort((a, b) => {
    const [one, other] = [key(a), key(b)];
    return one === other ? (rows.index[a] as number) - (rows.index[b] as number) : one < other ? -1 : 1;
  });
}
