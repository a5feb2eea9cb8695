// The payload of a table of features, and rows that come later.
import { isSize, type Kind, PayloadError, rowsOf } from "../decode";
import type { FeatureTablePayload, TableRows } from "../payloads";
import { FEATURE_TABLE_PAYLOAD, TABLE_ROWS } from "../records";
import * as words from "../words/table";
import { checkHistogram } from "./histogram";

function checkRows({ index, label, words: tokens, values, known, bars, order, start }: TableRows): void {
  rowsOf("label", label, index.length);
  rowsOf("known", known, values.data.length);
  const even = index.length ? tokens.length % index.length === 0 : tokens.length === 0;
  if (!even || values.rows !== index.length || bars.rows !== index.length || !isSize(order) || !isSize(start))
    throw new PayloadError(words.unequalRows);
}

function checkTable({ statistics, rows, charts, points }: FeatureTablePayload): void {
  checkRows(rows);
  if (rows.values.columns !== statistics.length) throw new PayloadError(words.otherColumns);
  for (const { name, all, fit } of charts) {
    checkHistogram(name, all);
    rowsOf(name, fit, all.counts.length);
  }
  for (const { index, x, y, fit, label } of points) {
    for (const values of [x, y, fit, ...(label.length ? [label] : [])]) rowsOf("points", values, index.length);
  }
}

export const FEATURE_TABLE: Kind<FeatureTablePayload> = {
  name: "feature_table",
  fields: FEATURE_TABLE_PAYLOAD,
  check: checkTable,
};

export const ROWS: Kind<TableRows> = { name: "table_rows", fields: TABLE_ROWS, check: checkRows };
