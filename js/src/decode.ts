// Bytes -> payload. Nothing is read before its place was compared with the bytes that are there.
import {
  type CircuitPayload,
  type ComparePayload,
  type ContrastPayload,
  type Control,
  type DictionaryReportPayload,
  type FeatureDashboardPayload,
  type FeatureTablePayload,
  type FrontierPayload,
  type HeatmapPayload,
  type Histogram,
  KINDS,
  type PatchMapPayload,
  type Payload,
  type Predictions,
  RECORDS,
  type SteeringPayload,
  type TableRows,
  type TrainingPayload,
} from "./payloads";

const HEAD = 16;
const VERSION = 1;
const MAX_BUFFERS = 10_000;

type TypedArray = Uint8Array | Uint16Array | Uint32Array | Float32Array;
interface Buffer {
  dtype: string;
  shape: number[];
  data: TypedArray;
}

/** The bytes are not a payload, or a damaged one. */
export class PayloadError extends Error {
  override name = "PayloadError";
}

/** For a byte and for one with so many zeros behind it: four bytes are taken at a time. */
const CRC = /* @__PURE__ */ [0, 1, 2, 3].map((zeros) =>
  Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8 * (zeros + 1); k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
  }),
) as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];

/** CRC-32 as zlib computes it. */
export function crc32(bytes: Uint8Array): number {
  const [one, two, three, four] = CRC;
  let c = 0xffffffff;
  let i = 0;
  for (; i + 4 <= bytes.length; i += 4) {
    c ^=
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    c =
      (four[c & 255] as number) ^
      (three[(c >>> 8) & 255] as number) ^
      (two[(c >>> 16) & 255] as number) ^
      (one[c >>> 24] as number);
  }
  for (; i < bytes.length; i++) c = (one[(c ^ (bytes[i] as number)) & 255] as number) ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** The bytes of whatever a host hands over: Jupyter gives a DataView, marimo an array buffer. */
export function bytesOf(value: unknown): Uint8Array {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return new Uint8Array(0);
}

/** The payload in `raw`; throws a `PayloadError` and nothing else. */
export function decode(raw: Uint8Array): Payload {
  // Typed arrays need aligned starts, and the host may reuse its buffer.
  const bytes = raw.slice();
  const view = new DataView(bytes.buffer);
  if (bytes.length < HEAD || view.getUint32(0) !== 0x53414557)
    throw new PayloadError("This is not a saewidgets payload.");
  const version = view.getUint32(4, true);
  if (version > VERSION)
    throw new PayloadError(`The payload has format ${version}; this version reads up to ${VERSION}.`);
  const start = HEAD + view.getUint32(8, true);
  if (start > bytes.length || crc32(bytes.subarray(HEAD)) !== view.getUint32(12, true)) {
    throw new PayloadError("The payload is damaged or cut short.");
  }
  const header = parse(bytes.subarray(HEAD, start));
  const kind = field(header, "kind");
  const record = typeof kind === "string" ? KINDS.get(kind) : undefined;
  if (record === undefined) throw new PayloadError("Unknown kind of payload.");
  const payload = load(
    field(header, "data"),
    record,
    buffers(field(header, "buffers"), bytes, start),
    record,
  ) as Payload;
  CHECKS.get(record)?.(payload);
  return payload;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new PayloadError("The payload's header cannot be read.");
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;

const isSize = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;

function buffers(entries: unknown, bytes: Uint8Array, start: number): Buffer[] {
  if (!Array.isArray(entries) || entries.length > MAX_BUFFERS)
    throw new PayloadError("The list of buffers is missing.");
  return entries.map((entry) => buffer(entry, bytes, start));
}

function buffer(entry: unknown, bytes: Uint8Array, start: number): Buffer {
  const dtype = field(entry, "dtype");
  const shape = field(entry, "shape");
  const offset = field(entry, "offset");
  if (!Array.isArray(shape) || shape.length < 1 || shape.length > 2 || !shape.every(isSize) || !isSize(offset)) {
    throw new PayloadError("A buffer's shape cannot be read.");
  }
  const length = shape.reduce((a: number, b: number) => a * b, 1);
  const at = start + offset;
  const fits = (size: number) => at % 8 === 0 && at + length * size <= bytes.length;
  if (dtype === "uint8" && fits(1)) return { dtype, shape, data: new Uint8Array(bytes.buffer, at, length) };
  if (dtype === "uint16" && fits(2)) return { dtype, shape, data: new Uint16Array(bytes.buffer, at, length) };
  if (dtype === "uint32" && fits(4)) return { dtype, shape, data: new Uint32Array(bytes.buffer, at, length) };
  if (dtype === "float32" && fits(4)) return { dtype, shape, data: new Float32Array(bytes.buffer, at, length) };
  throw new PayloadError("A buffer lies outside the file.");
}

/** Rebuilds one field as its declaration says. */
function load(value: unknown, type: string, buffers: Buffer[], name: string): unknown {
  if (type.endsWith("?"))
    return value === null || value === undefined ? null : load(value, type.slice(0, -1), buffers, name);
  if (type.endsWith("[]")) {
    if (!Array.isArray(value)) throw new PayloadError(`${name} is no list.`);
    // A long prompt has 100,000 token texts: they are looked at, not copied.
    if (type === "string[]" && value.every((item) => typeof item === "string")) return value;
    return value.map((item) => load(item, type.slice(0, -2), buffers, name));
  }
  const record = RECORDS.get(type);
  if (record !== undefined) {
    if (typeof value !== "object" || value === null) throw new PayloadError(`${name} is no object.`);
    const fields = record.split(" ").map((entry) => entry.split(":") as [string, string]);
    return Object.fromEntries(
      fields.map(([key, inner]) => [key, load(field(value, key), inner, buffers, `${name}.${key}`)]),
    );
  }
  if (type === "string" || type === "number" || type === "boolean") {
    if (typeof value !== type) throw new PayloadError(`${name} is no ${type}.`);
    return value;
  }
  return array(field(value, "$buffer"), type, buffers, name);
}

function array(index: unknown, type: string, buffers: Buffer[], name: string): unknown {
  const found = isSize(index) ? buffers[index] : undefined;
  const [dtype, dimensions] = type.split("*");
  if (found === undefined || found.dtype !== dtype || found.shape.length !== Number(dimensions ?? 1)) {
    throw new PayloadError(`${name} names no buffer of its type.`);
  }
  return dimensions ? { data: found.data, rows: found.shape[0], columns: found.shape[1] } : found.data;
}

/** What the views rely on: rows of equal length, indices that exist. */
// biome-ignore lint/suspicious/noExplicitAny: each check is of the record it stands under
const CHECKS: ReadonlyMap<string, (payload: any) => void> = new Map<string, (payload: any) => void>([
  ["HeatmapPayload", checkHeatmap],
  ["TrainingPayload", checkTraining],
  ["FrontierPayload", checkFrontier],
  ["DictionaryReportPayload", checkReport],
  ["FeatureDashboardPayload", checkDashboard],
  ["PatchMapPayload", checkPatchMap],
  ["FeatureTablePayload", checkTable],
  ["CircuitPayload", checkCircuit],
  ["TableRows", checkRows],
  ["SteeringPayload", checkSteering],
  ["ComparePayload", checkCompare],
  ["ContrastPayload", checkContrast],
]);

/** Refuses rows of another number than expected. */
function rowsOf(name: string, values: { length: number } | null, expected: number): void {
  if (values && values.length !== expected)
    throw new PayloadError(`${name} has ${values.length} rows, not ${expected}.`);
}

function checkHistogram(name: string, { edges, counts }: Histogram): void {
  if (edges.length || counts.length) rowsOf(name, edges, counts.length + 1);
}

function checkTraining(payload: TrainingPayload): void {
  for (const curve of payload.curves) rowsOf(curve.name, curve.values, payload.steps.length);
  rowsOf("changed_to", payload.changed_to, payload.changed_at.length);
  checkHistogram("density", payload.density);
  for (const { id, slot, passages } of payload.features) {
    if (!isSize(slot)) throw new PayloadError("A feature has no slot.");
    for (const passage of passages) rowsOf(id, passage.values, passage.text.length);
  }
}

function checkFrontier({ points, front_fvu, front_ce }: FrontierPayload): void {
  for (const front of [front_fvu, front_ce]) {
    for (const index of front) if (index >= points.length) throw new PayloadError("The frontier names no point.");
  }
  for (const { report } of points) if (report) checkReport(report);
}

function checkReport(report: DictionaryReportPayload): void {
  checkHistogram("density", report.density);
  checkHistogram("neighbours", report.neighbours);
}

function checkDashboard({ histogram, slot, groups, live }: FeatureDashboardPayload): void {
  checkHistogram("histogram", histogram);
  if (!isSize(slot)) throw new PayloadError("The feature has no slot.");
  for (const { kind, passages } of groups) {
    for (const { text, values, peak } of passages) {
      rowsOf(kind, values, text.length);
      if (!isSize(peak) || peak >= Math.max(1, text.length)) throw new PayloadError("An example has no peak.");
    }
  }
  if (live) checkHeatmap(live);
}

function checkPatchMap({ tokens, corrupt_tokens, blocks }: PatchMapPayload): void {
  const length = tokens.text.length;
  for (const { ids, kind, text } of [tokens, corrupt_tokens]) {
    for (const values of [ids, kind, text]) rowsOf("tokens", values, length);
  }
  for (const { name, columns, nodes, values, measured, low, high } of blocks) {
    rowsOf(name, nodes, columns.length);
    for (const table of [values, measured, low, high]) rowsOf(name, table.data, length * columns.length);
  }
}

function checkTable({ statistics, rows, charts, points }: FeatureTablePayload): void {
  checkRows(rows);
  if (rows.values.columns !== statistics.length) throw new PayloadError("The rows have other columns than the table.");
  for (const { name, all, fit } of charts) {
    checkHistogram(name, all);
    rowsOf(name, fit, all.counts.length);
  }
  for (const { index, x, y, fit, label } of points) {
    for (const values of [x, y, fit, ...(label.length ? [label] : [])]) rowsOf("points", values, index.length);
  }
}

function checkRows({ index, label, words, values, known, bars, order, start }: TableRows): void {
  rowsOf("label", label, index.length);
  rowsOf("known", known, values.data.length);
  const even = index.length ? words.length % index.length === 0 : words.length === 0;
  if (!even || values.rows !== index.length || bars.rows !== index.length || !isSize(order) || !isSize(start))
    throw new PayloadError("The rows of the table are of unequal length.");
}

function checkCircuit({
  nodes,
  now,
  before,
  source,
  target,
  columns,
  widths,
  rows,
  effect,
  words,
}: CircuitPayload): void {
  const n = nodes.id.length;
  for (const values of [nodes.kind, nodes.row, nodes.position, nodes.slot, nodes.label, nodes.density, nodes.status])
    rowsOf("nodes", values, n);
  rowsOf("target", target, source.length);
  rowsOf("widths", widths, columns.length);
  for (const side of [now, before]) {
    if (!side) continue;
    const { edge, ...own } = side;
    rowsOf("edge", edge, source.length);
    for (const values of Object.values(own)) rowsOf("side", values, n);
  }
  for (const ends of [source, target])
    for (const end of ends) if (end >= n) throw new PayloadError("An edge names no node.");
  for (let i = 0; i < n; i++) {
    const [row, position] = [nodes.row[i] as number, nodes.position[i] as number];
    if (row >= rows.length || position >= columns.length) throw new PayloadError("A node stands outside the graph.");
  }
  for (const mode of effect?.modes ?? [])
    for (const values of [mode.predicted, mode.measured, mode.low, mode.high, mode.direction_low, mode.direction_high])
      rowsOf(mode.mode, values, effect?.rows.length ?? 0);
  for (const values of [words.before, words.after, words.low, words.high]) rowsOf("words", values, words.word.length);
}

function checkSteering({ sliders, texts, doses, kept }: SteeringPayload): void {
  for (const { slot, half } of sliders) {
    if (!isSize(slot) || !(half > 0)) throw new PayloadError("A slider has no slot or no way to go.");
  }
  for (const { role, tokens, differs, values, n_prompt } of texts) {
    for (const row of [tokens.ids, tokens.kind, differs]) rowsOf(role, row, tokens.text.length);
    if (values.rows !== sliders.length || values.columns !== tokens.text.length || !isSize(n_prompt))
      throw new PayloadError("A text and its values are of unequal length.");
  }
  for (const matrix of doses ? [doses.effect, doses.kl, doses.perplexity] : []) {
    if (matrix.columns !== doses?.strengths.length || matrix.rows !== doses.effect.rows || !(matrix.rows > 0))
      throw new PayloadError("The curves are of unequal length.");
  }
  if (doses && !(isSize(doses.n_directions) && doses.n_directions < doses.effect.rows))
    throw new PayloadError("The curves miss their controls.");
  for (const { note, sliders: ids, values } of kept) rowsOf(note, values, ids.length);
}

function checkContrast({ positive, negative, bottleneck }: ContrastPayload): void {
  if (!bottleneck) return;
  const { concepts, readers, scores, answers, held, corrected, accuracy, low, high, control, correction } = bottleneck;
  const n = positive.length + negative.length;
  for (const values of [answers, held]) rowsOf("prompts", values, n);
  rowsOf("scores", scores.data, n * concepts.length);
  rowsOf("readers", readers, concepts.length);
  for (const values of [accuracy, low, high, control]) rowsOf("accuracy", values, corrected.length);
  if (!correction) return;
  const { prompt, values, words, before, after } = correction;
  if (!isSize(prompt) || prompt >= n) throw new PayloadError("The correction is of no prompt.");
  for (const one of [values, correction.scores]) rowsOf("concepts", one, concepts.length);
  for (const one of [before, after, correction.low, correction.high]) rowsOf("words", one, words.length);
}

function checkCompare({ left_token, right_token, same, features, predictions, control, pair }: ComparePayload): void {
  const n = left_token.length;
  for (const values of [right_token, same]) rowsOf("pairs", values, n);
  rowsOf("features", features.indptr, n + 1);
  for (const values of [features.right, features.a, features.b, features.cosine])
    rowsOf("features", values, features.left.length);
  if (!isSize(pair)) throw new PayloadError("There is no such pair.");
  if (predictions) checkPredictions(predictions, control);
}

function checkPredictions({ positions, token, before, after }: Predictions, control: Control | null): void {
  for (const matrix of [token, before, after, control?.low ?? null, control?.high ?? null]) {
    if (matrix && (matrix.rows !== positions.length || matrix.columns !== token.columns)) {
      throw new PayloadError("The predictions are of unequal shape.");
    }
  }
}

function checkHeatmap(payload: HeatmapPayload): void {
  const length = payload.tokens.text.length;
  const rows: [string, { length: number } | null, number][] = [
    ["tokens.ids", payload.tokens.ids, length],
    ["tokens.kind", payload.tokens.kind, length],
    ["surprise", payload.surprise, length],
    ["surprise_after", payload.surprise_after, length],
  ];
  for (const site of payload.sites) {
    rows.push([site.key, site.active, length], [site.key, site.error, length]);
    rows.push([site.key, site.active_after, length], [site.key, site.error_after, length]);
    rows.push(
      [site.key, site.strongest.indptr, length + 1],
      [site.key, site.strongest.value, site.strongest.index.length],
    );
    if (site.strongest_after) rows.push([site.key, site.strongest_after.indptr, length + 1]);
  }
  for (const feature of payload.features) {
    rows.push([feature.id, feature.values, length], [feature.id, feature.after, length]);
    if (!isSize(feature.slot)) throw new PayloadError("A feature has no slot.");
  }
  checkPredictions(payload.predictions, payload.control);
  for (const [name, values, expected] of rows) rowsOf(name, values, expected);
}
