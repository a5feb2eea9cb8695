// The DictionaryReport: how good one dictionary is, beside its baselines; features are chosen by a click.
import { signal } from "@preact/signals";
import { CHARTS } from "../css/charts";
import { DICTIONARY_REPORT } from "../kinds/report";
import { Foot } from "../parts/foot";
import { drawn, Frame } from "../parts/frame";
import { Menu } from "../parts/menu";
import { Report, ReportTitle } from "../parts/report";
import { Failed } from "../parts/status";
import type { DictionaryReportPayload } from "../payloads";
import { type AnyModel, type Followed, Picture, words } from "../picture";
import { plain } from "../signs";
import type { BaseView } from "../view";
import * as common from "../words/common";
import * as said from "../words/report";

class ReportState extends Picture<DictionaryReportPayload> {
  readonly feature = signal("");

  override readonly followed: Followed = { feature: { at: this.feature, go: (id) => this.choose(id) } };

  constructor(model: AnyModel) {
    super(model, DICTIONARY_REPORT);
    this.start(["feature"]);
  }

  choose = (id: string): void => {
    this.feature.value = id;
    this.share("feature", id);
  };

  protected override view(): void {
    super.view();
    const feature = this.model.get("feature");
    this.feature.value = typeof feature === "string" ? feature : words(this.payload.value?.feature);
  }
}

export const dictionaryReport = drawn((model) => new ReportState(model), DictionaryReport, ...CHARTS);

function DictionaryReport({ view }: { view: BaseView<ReportState> }) {
  const { state } = view;
  const report = state.payload.value;
  return (
    <Frame view={view} keys={said.keys} heard={state.feature.value && said.heard(plain(state.feature.value, 60))}>
      <div class="bar0">
        {report && <ReportTitle report={report} />}
        <span class="sp" />
        <span class="sub status">{state.feature.value ? said.chosen(plain(state.feature.value, 60)) : ""}</span>
        <span class="steps">
          <Menu view={view} label="⋯" name={common.menu} bare full />
        </span>
      </div>
      <Failed view={view} />
      {report && <Report report={report} feature={state.feature.value} choose={state.choose} />}
      <Foot view={view} />
    </Frame>
  );
}
