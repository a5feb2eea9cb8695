// How a table writes its numbers, and which columns there is room for.
import { count, probability, share, signed, significant } from "../format";
import type { FeatureTablePayload, Statistic, TableFilter } from "../payloads";
import { plain } from "../signs";
import * as words from "../words/table";

/** A statistic of one feature; shares without the sign, which stands above the column. */
export function number(value: number | null, { unit }: Statistic): string {
  if (value === null) return "–";
  if (unit === "share") return share(value).replace(" %", "");
  if (unit === "score") return probability(value);
  if (unit === "count") return count(value);
  if (unit === "match") return words.matches[value] ?? "";
  return Math.abs(value) >= 1 || value === 0 ? signed(value, 1) : significant(value, 2);
}

export const titleOf = ({ title }: Statistic): string => plain(title, 24);
/** What stands above a column. */
export const above = (statistic: Statistic): string => titleOf(statistic) + (statistic.unit === "share" ? " %" : "");

/** A filter in words: "density 0.01 – 0.6 %". */
export function bounds({ low, high }: TableFilter, statistic: Statistic): string {
  const unit = statistic.unit === "share" ? " %" : "";
  const [a, b] = [low, high].map((bound) => (bound === null ? null : number(bound, statistic)));
  if (a != null && b != null) return `${a} – ${b}${unit}`;
  return a != null ? `≥ ${a}${unit}` : `≤ ${b}${unit}`;
}

export interface Layout {
  /** Two lines a row. */
  narrow: boolean;
  bars: boolean;
  columns: Statistic[];
  /** Height of a row, px. */
  row: number;
  template: string;
}

const KEY = 30;
const ID = 58;
const widthOf = ({ unit }: Statistic): number => (unit === "score" ? 124 : 84);

/** The columns for a width: the one that sorts is always there. */
export function layout(payload: FeatureTablePayload, width: number, sort: string): Layout {
  const all = payload.columns.flatMap((name) => payload.statistics.find((statistic) => statistic.name === name) ?? []);
  const sorting = payload.statistics.find(({ name }) => name === sort);
  if (sorting && !all.includes(sorting)) all.push(sorting);
  const narrow = width < 520;
  const last = sorting ?? all[0];
  if (narrow) {
    const columns = last ? [last] : [];
    return { narrow, bars: false, columns, row: 56, template: `${KEY}px 46px minmax(0,1fr) auto` };
  }
  const bars = width >= 700;
  let room = width - KEY - ID - 130 - 150 - (bars ? 84 : 0);
  const columns = all.filter((statistic) => {
    const keep = statistic === last || room - widthOf(statistic) >= (last ? widthOf(last) : 0);
    if (keep && statistic !== last) room -= widthOf(statistic);
    return keep;
  });
  const sizes = columns.map((statistic) => `${widthOf(statistic)}px`);
  const [first, ...rest] = sizes;
  const template = [`${KEY}px ${ID}px minmax(0,1fr)`, first, bars ? "84px" : "", ...rest, "minmax(150px,.8fr)"];
  return { narrow, bars, columns, row: 31, template: template.filter(Boolean).join(" ") };
}
