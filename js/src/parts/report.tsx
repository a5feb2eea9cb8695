// What a report says of a dictionary: numbers beside their baselines, two histograms, odd features, definitions, card.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { quantity, share, significant } from "../format";
import type { DictionaryReportPayload, Estimate, ListedFeature, Measure } from "../payloads";
import { plain } from "../signs";
import * as common from "../words/common";
import * as words from "../words/report";
import { Histogram } from "./histogram";

/** Features of a list that are shown at first. */
const FEW = 12;
const MANY = 40;
const BETTER: ReadonlyMap<string, string> = new Map([
  ["lower", words.lowerIsBetter],
  ["higher", words.higherIsBetter],
]);

/** Measures by group, both in order. */
export function groupsOf(measures: readonly Measure[]): Map<string, Measure[]> {
  const groups = new Map<string, Measure[]>();
  for (const measure of measures) groups.set(measure.group, [...(groups.get(measure.group) ?? []), measure]);
  return groups;
}

/** "[0.90, 0.95]", or "" without an interval. */
export function intervalOf({ low, high }: Estimate, unit = ""): string {
  if (low === null || high === null) return "";
  const by = unit === "share" ? 100 : 1;
  return `[${significant(low * by)}, ${significant(high * by)}]${unit === "share" ? " %" : ""}`;
}

/** Range of a measure's track: all that is drawn on it, from 0 where nothing is below. */
export function trackOf({ estimate, baselines }: Measure): [number, number] {
  const all = [estimate, ...baselines.map((beside) => beside.estimate)].flatMap((e) =>
    [e.value, e.low, e.high].filter((value): value is number => value !== null),
  );
  const [low, high] = [Math.min(0, ...all), Math.max(...all)];
  return high > low ? [low, high] : [low, low + 1];
}

function Track({ measure }: { measure: Measure }) {
  const [low, high] = trackOf(measure);
  const x = (value: number) => `${((value - low) / (high - low)) * 100}%`;
  const { estimate, baselines } = measure;
  return (
    <div class="track" aria-hidden="true">
      {baselines.map(({ baseline, estimate: { value } }) => (
        <i key={baseline} class="base" style={{ left: x(value) }} />
      ))}
      {estimate.low !== null && estimate.high !== null && (
        <i class="ci" style={{ left: x(estimate.low), right: `calc(100% - ${x(estimate.high)})` }} />
      )}
      <i class="own" style={{ left: x(estimate.value) }} />
    </div>
  );
}

function Row({ measure, baselines, choose }: { measure: Measure; baselines: string[]; choose: (m: Measure) => void }) {
  const { name, estimate, unit, definition, better } = measure;
  const shown = [definition, BETTER.get(better)].filter(Boolean).join("; ");
  return (
    <tr onPointerEnter={() => choose(measure)}>
      <th scope="row" title={plain(shown, 400)}>
        {plain(name, 60)}
      </th>
      <td class="tracks">
        <Track measure={measure} />
      </td>
      <td class="num">
        <b>{quantity(estimate.value, unit)}</b>
        <span class="q ci-text under">{intervalOf(estimate, unit)}</span>
      </td>
      <td class="num q ci-text own-column">{intervalOf(estimate, unit)}</td>
      {baselines.map((baseline) => {
        const beside = measure.baselines.find((other) => other.baseline === baseline);
        return (
          <td key={baseline} class="num i2" title={beside ? intervalOf(beside.estimate, unit) : ""}>
            {beside ? quantity(beside.estimate.value, unit) : "–"}
          </td>
        );
      })}
    </tr>
  );
}

function Measures({ report }: { report: DictionaryReportPayload }) {
  const read = useSignal<Measure | null>(null);
  const { baselines } = report;
  const here = read.value;
  return (
    <section class="measures" aria-label={words.measures}>
      <table onPointerLeave={() => (read.value = null)}>
        <thead>
          <tr>
            <th scope="col">
              <span class="hear">{words.measure}</span>
            </th>
            <td class="tracks" />
            <th scope="col" class="num">
              {words.thisDictionary}
            </th>
            <th scope="col" class="num own-column">
              95 %
            </th>
            {baselines.map((name) => (
              <th key={name} scope="col" class="num">
                {plain(name, 24)}
              </th>
            ))}
          </tr>
        </thead>
        {[...groupsOf(report.measures)].map(([group, measures]) => (
          <tbody key={group}>
            <tr class="group">
              <th scope="rowgroup" colSpan={4 + baselines.length}>
                {plain(group, 60)}
              </th>
            </tr>
            {measures.map((measure) => (
              <Row
                key={measure.name}
                measure={measure}
                baselines={baselines}
                choose={(m) => {
                  read.value = m;
                }}
              />
            ))}
          </tbody>
        ))}
      </table>
      <p class="sub reading-line">
        {here ? (
          <>
            <b>{plain(here.name, 60)}</b> {plain(here.definition, 300)}
            {here.mask && ` · ${plain(here.mask, 100)}`}
            {here.window && ` · ${plain(here.window, 100)}`}
          </>
        ) : (
          <span class="tracks-key">{words.tracksKey}</span>
        )}
      </p>
    </section>
  );
}

interface ListProps {
  title: string;
  note: string;
  features: ListedFeature[];
  total: number;
  feature: string;
  choose: (id: string) => void;
}

function List({ title, note, features, total, feature, choose }: ListProps) {
  const all = useSignal(false);
  // Features of which there is something to say get a row; the others stand side by side, by their number alone.
  const told = features.filter(({ label, note, density }) => label || note || density > 0);
  const bare = features.filter(({ label, note, density }) => !label && !note && density === 0);
  const most = all.value ? features.length : 0;
  const more = Math.max(0, told.length - FEW) + Math.max(0, bare.length - MANY);
  return (
    <section aria-label={title}>
      <h3>
        {title} <span class="sub">· {note}</span>
      </h3>
      {total === 0 && <p class="sub">{words.none}</p>}
      <ul class="listed">
        {told.slice(0, Math.max(FEW, most)).map(({ id, label, density, note }) => (
          <li key={id}>
            <button type="button" aria-pressed={feature === id} onClick={() => choose(id)}>
              <span class="id">{plain(id, 60)}</span>
              {label && <span class="clip">{plain(label, 80)}</span>}
              <span class="sp" />
              {note && <span class="q clip">{plain(note, 60)}</span>}
              {density > 0 && <span class="num">{share(density)}</span>}
            </button>
          </li>
        ))}
      </ul>
      <ul class="listed packed">
        {bare.slice(0, Math.max(MANY, most)).map(({ id }) => (
          <li key={id}>
            <button
              type="button"
              aria-pressed={feature === id}
              aria-label={plain(id, 60)}
              title={plain(id, 60)}
              onClick={() => choose(id)}
            >
              <span class="id">{plain(id.slice(id.lastIndexOf("/") + 1), 60)}</span>
            </button>
          </li>
        ))}
      </ul>
      <p class="more">
        {more > 0 && (
          <button type="button" class="link" onClick={() => (all.value = !all.value)}>
            {all.value ? common.showFewer : common.showMore(more)}
          </button>
        )}
        {total > features.length && <span class="sub"> {words.notListed(total - features.length)}</span>}
      </p>
    </section>
  );
}

/** A heading that opens what stands under it. */
function Fold({ title, children }: { title: string; children: () => ComponentChildren }) {
  const open = useSignal(false);
  return (
    <section class="fold">
      <button type="button" class="plain" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
        <span aria-hidden="true">{open.value ? "▾" : "▸"}</span> {title}
      </button>
      {open.value && children()}
    </section>
  );
}

function Definitions({ measures }: { measures: Measure[] }) {
  return (
    <dl class="definitions">
      {measures.map(({ name, definition, mask, window, better }) => (
        <div key={name}>
          <dt>{plain(name, 60)}</dt>
          <dd>
            {plain([definition, mask, window, BETTER.get(better)].filter(Boolean).join(" · "), 600) ||
              words.noDefinition}
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** Name, architecture and scale: the first line of a report. */
export function ReportTitle({ report }: { report: DictionaryReportPayload }) {
  return (
    <div class="title">
      <h2>{plain(report.name, 80)}</h2>
      <span class="sub">{words.about(plain(report.architecture, 40), report.width, plain(report.scale, 60))}</span>
    </div>
  );
}

interface Props {
  report: DictionaryReportPayload;
  feature: string;
  choose: (id: string) => void;
}

export function Report({ report, feature, choose }: Props) {
  const lists = { feature, choose };
  return (
    <div class="report">
      <Measures report={report} />
      <div class="grid halves">
        <Histogram
          title={common.density}
          note={words.densityNote(report.density.outside)}
          counts={report.density}
          from={{
            edge: Math.log10(Math.max(1e-9, report.dense_from)),
            word: words.denseFrom(report.dense_from),
          }}
        />
        <Histogram title={words.nearestRow} note={words.greatestCosine} counts={report.neighbours} />
      </div>
      <div class="grid halves">
        <List
          title={words.dead(report.n_dead)}
          note={words.neverFired}
          features={report.dead}
          total={report.n_dead}
          {...lists}
        />
        <List
          title={words.dense(report.n_dense)}
          note={words.fireOnMore(report.dense_from)}
          features={report.dense}
          total={report.n_dense}
          {...lists}
        />
      </div>
      <Fold title={words.definitions}>{() => <Definitions measures={report.measures} />}</Fold>
      {report.card && (
        <Fold title={words.loadCard}>
          {() => (
            <div class="card">
              {report.card.split("\n").map((line, i) => (
                <div key={i}>{line ? plain(line, 400) : "\u00a0"}</div>
              ))}
            </div>
          )}
        </Fold>
      )}
    </div>
  );
}
