// The Frontier: many dictionaries at a glance, the same in a table, and the report of the selected one beside.
import { signal } from "@preact/signals";
import { CHARTS } from "../css/charts";
import { count, quantity, significant } from "../format";
import { FRONTIER } from "../kinds/frontier";
import { Foot } from "../parts/foot";
import { drawn, Frame, type OwnKey } from "../parts/frame";
import { Menu } from "../parts/menu";
import { intervalOf, Report, ReportTitle } from "../parts/report";
import { architectures, BASELINES, BaselineKey, DICTIONARY, Mark, nameOf, Scatter } from "../parts/scatter";
import { Segments } from "../parts/segments";
import { Failed } from "../parts/status";
import type { Estimate, FrontierPayload } from "../payloads";
import { type AnyModel, type Followed, Picture, words } from "../picture";
import { plain } from "../signs";
import type { BaseView } from "../view";
import * as common from "../words/common";
import * as said from "../words/frontier";

class FrontierState extends Picture<FrontierPayload> {
  readonly selected = signal("");
  readonly feature = signal("");
  readonly y = signal("FVU");
  readonly x = signal("log");

  /** Of the open report. */
  override readonly followed: Followed = { feature: { at: this.feature, go: (id) => this.set("feature", id) } };

  constructor(model: AnyModel) {
    super(model, FRONTIER);
    this.start(["selected", "feature", "y", "x"]);
  }

  set(name: "selected" | "feature" | "y" | "x", value: string): void {
    this[name].value = value;
    this.share(name, value);
  }

  protected override view(): void {
    super.view();
    const payload = this.payload.value;
    if (!payload) return;
    const selected = this.model.get("selected");
    this.selected.value = typeof selected === "string" ? selected : payload.selected;
    this.feature.value = words(this.model.get("feature"));
    this.y.value = words(this.model.get("y")) || payload.y;
    this.x.value = words(this.model.get("x")) || payload.x;
  }
}

type View = BaseView<FrontierState>;

export const frontier = drawn((model) => new FrontierState(model), Frontier, ...CHARTS);

function Frontier({ view }: { view: View }) {
  const { state } = view;
  const payload = state.payload.value;
  const selected = payload?.points.find(({ name }) => name === state.selected.value);
  const key: OwnKey = (event) => {
    if (event.key !== "Escape" || view.help.value || !state.selected.value) return false;
    state.set("selected", "");
    return true;
  };
  const report = selected?.report ?? null;
  const heard = selected ? said.heard(plain(selected.name, 80), report !== null) : "";
  return (
    <Frame view={view} keys={said.keys} onKey={key} heard={heard}>
      {payload && <Bar view={view} payload={payload} />}
      <Failed view={view} />
      {payload && (
        <div class={report ? "grid beside" : "grid"}>
          <section aria-label={said.frontier}>
            {payload.points.length === 0 ? (
              <p class="em">{said.noDictionaries}</p>
            ) : (
              <Scatter
                payload={payload}
                y={state.y.value}
                log={state.x.value === "log"}
                selected={state.selected}
                choose={(name) => state.set("selected", name)}
              />
            )}
            <Legend payload={payload} />
            <Table view={view} payload={payload} />
          </section>
          {report && (
            <section class="opened" aria-label={said.report}>
              <button type="button" class="x" aria-label={said.closeReport} onClick={() => state.set("selected", "")}>
                ×
              </button>
              <ReportTitle report={report} />
              <Report
                key={selected?.name}
                report={report}
                feature={state.feature.value}
                choose={(id) => state.set("feature", id)}
              />
            </section>
          )}
        </div>
      )}
      <Foot view={view} />
    </Frame>
  );
}

function Bar({ view, payload }: { view: View; payload: FrontierPayload }) {
  const { state } = view;
  const own = payload.points.filter(({ kind }) => kind === DICTIONARY).length;
  const measured = payload.points.some(({ ce }) => ce !== null);
  return (
    <div class="bar0">
      {measured && (
        <Segments
          label={said.fidelity}
          choices={["FVU", "CE"].map((value) => ({ value, label: nameOf(payload, value) }))}
          value={state.y.value}
          set={(y) => state.set("y", y)}
        />
      )}
      <span class="i2">L0</span>
      <Segments
        label={said.axisOfL0}
        choices={[
          { value: "log", label: common.log },
          { value: "linear", label: common.linear },
        ]}
        value={state.x.value}
        set={(x) => state.set("x", x)}
      />
      <span class="sp" />
      <span class="sub status">
        {said.dictionaries(own)}
        {payload.points.length > own && ` · ${said.baselines(payload.points.length - own)}`}
      </span>
      <span class="steps">
        <Menu view={view} label="⋯" name={common.menu} bare full />
      </span>
    </div>
  );
}

function Legend({ payload }: { payload: FrontierPayload }) {
  return (
    <div class="legend">
      {architectures(payload.points).map((name, i) => (
        <span key={name} class="with-mark">
          <Mark kind={i} /> {plain(name, 30)}
        </span>
      ))}
      {BASELINES.filter((kind) => payload.points.some((point) => point.kind === kind)).map((kind) => (
        <span key={kind} class="with-mark">
          <BaselineKey kind={kind} />
        </span>
      ))}
      <span>{said.fullAndHollow}</span>
      <span>{said.cross}</span>
    </div>
  );
}

/** The same in rows: for screen readers, and for reading numbers off. */
function Table({ view, payload }: { view: View; payload: FrontierPayload }) {
  const { state } = view;
  const kinds = architectures(payload.points);
  const front = new Set(state.y.value === "CE" ? payload.front_ce : payload.front_fvu);
  const rows = payload.points.map((point, i) => ({ point, on: front.has(i) }));
  rows.sort((a, b) => a.point.l0.value - b.point.l0.value);
  const measured = payload.points.some(({ ce }) => ce !== null);
  const cell = (estimate: Estimate | null) => (
    <td class="num">
      {estimate ? quantity(estimate.value, "") : "–"}{" "}
      <span class="q ci-text">{estimate ? intervalOf(estimate) : ""}</span>
    </td>
  );
  if (rows.length === 0) return null;
  return (
    <div class="rowsbox" role="region" aria-label={said.table} tabIndex={0}>
      <table class="points">
        <thead>
          <tr>
            <th scope="col">{said.dictionary}</th>
            <th scope="col" class="hide-s">
              {said.architecture}
            </th>
            <th scope="col" class="num hide-s">
              {said.features}
            </th>
            <th scope="col" class="num">
              L0
            </th>
            <th scope="col" class="num">
              {said.fvu}
            </th>
            {measured && (
              <th scope="col" class="num">
                {nameOf(payload, "CE")}
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ point, on }) => (
            <tr key={point.name} class={state.selected.value === point.name ? "on" : ""}>
              <th scope="row">
                <button
                  type="button"
                  aria-pressed={state.selected.value === point.name}
                  onClick={() => state.set("selected", point.name)}
                >
                  {point.kind === DICTIONARY && <Mark kind={kinds.indexOf(point.architecture)} />}
                  <span class="clip">{plain(point.name, 60)}</span>
                </button>
                {on && <span class="hear">{said.onFrontier}</span>}
              </th>
              <td class="hide-s i2">{plain(point.kind === DICTIONARY ? point.architecture : point.kind, 30)}</td>
              <td class="num hide-s">{count(point.width)}</td>
              <td class="num">{significant(point.l0.value)}</td>
              {cell(point.fvu)}
              {measured && cell(point.ce)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
