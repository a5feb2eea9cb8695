// The FeatureTable: all features of a dictionary, searched, sorted and filtered; a click opens one in its place.
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { CHARTS } from "../css/charts";
import css from "../css/table.css";
import { Choose } from "../parts/choose";
import { Foot } from "../parts/foot";
import { drawn, Frame, type OwnKey } from "../parts/frame";
import { Inner } from "../parts/inner";
import { Menu } from "../parts/menu";
import { Failed } from "../parts/status";
import type { FeatureTablePayload } from "../payloads";
import { plain } from "../signs";
import { Conditions, Search } from "../table/asking";
import { Spread } from "../table/charts";
import { List } from "../table/list";
import { DecoderMap, Scatter } from "../table/scatter";
import { TableState } from "../table/state";
import type { BaseView } from "../view";
import * as common from "../words/common";
import * as words from "../words/table";
import { featureDashboard } from "./featuredashboard";

export type TableView = BaseView<TableState>;

export const featureTable = drawn((model, host) => new TableState(model, host), FeatureTable, css, ...CHARTS);

function FeatureTable({ view }: { view: TableView }) {
  const { state } = view;
  const payload = state.payload.value;
  const open = state.feature.value !== "";
  const key: OwnKey = (event, typing) => {
    if (event.key === "/" && !typing && !open) view.root.querySelector<HTMLElement>(".fields input")?.focus();
    else if (event.key === "Escape" && open && !typing && !view.help.value) state.open("");
    else return false;
    return true;
  };
  return (
    <Frame view={view} keys={open ? [] : words.keys} onKey={key}>
      {payload && open && <Opened view={view} payload={payload} />}
      {payload && !open && <Table view={view} payload={payload} />}
      {!payload && <Failed view={view} />}
      {!open && (
        <Foot view={view}>
          {payload?.source && <span>{plain(payload.source, 120)}</span>}
          {state.live.value && <span>{words.toFrame}</span>}
        </Foot>
      )}
    </Frame>
  );
}

function Table({ view, payload }: { view: TableView; payload: FeatureTablePayload }) {
  const { state } = view;
  const box = useRef<HTMLDivElement>(null);
  const width = useSignal(0);
  useLayoutEffect(() => {
    const measure = () => {
      const now = box.current?.getBoundingClientRect().width ?? 0;
      if (now > 0) width.value = Math.round(now);
    };
    measure();
    const observer = new ResizeObserver(measure);
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return (
    <>
      <div class="bar0">
        <Search view={view} payload={payload} />
        <span class="steps">
          <Dictionary view={view} payload={payload} />
          <Menu view={view} label="⋯" name={common.menu} bare full />
        </span>
      </div>
      <Failed view={view} />
      <div class={state.requests.stale.value ? "drained" : ""} ref={box}>
        <div class={`charts halves over${payload.charts.length + payload.points.length > 2 ? " thirds" : ""}`}>
          {payload.charts.map((chart) => {
            const statistic = state.statistic(chart.name);
            return statistic && <Spread key={chart.name} view={view} chart={chart} statistic={statistic} />;
          })}
          {payload.points.map((points) => {
            const [x, y] = [state.statistic(points.name_x), state.statistic(points.name_y)];
            const Chart = x?.unit === "place" ? DecoderMap : Scatter;
            return x && y && <Chart key={points.name_x} view={view} points={points} x={x} y={y} />;
          })}
        </div>
        <Conditions view={view} payload={payload} />
        {state.n.value === 0 ? (
          <p class="em none">{plain(payload.note, 300) || words.noRowFits}</p>
        ) : (
          width.value > 0 && <List view={view} payload={payload} width={width.value} />
        )}
      </div>
    </>
  );
}

function Dictionary({ view, payload }: { view: TableView; payload: FeatureTablePayload }) {
  const { state } = view;
  if (!state.live.value || payload.sites.length < 2) return <span class="sub">{plain(payload.site, 60)}</span>;
  return (
    <Choose
      label={words.dictionary}
      choices={payload.sites.map((site) => ({ value: site, label: plain(site, 60) }))}
      value={payload.site}
      set={(site) => state.requests.run({ site, filters: [] })}
    />
  );
}

function Opened({ view, payload }: { view: TableView; payload: FeatureTablePayload }) {
  const { state } = view;
  const model = state.opened.value;
  const back = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    back.current?.focus();
  }, []);
  return (
    <>
      <div class="bar0">
        <button type="button" class="btn" ref={back} onClick={() => state.open("")}>
          {words.back}
        </button>
        <span class="sub">{plain(payload.site, 60)}</span>
        <span class="sp" />
        <button
          type="button"
          class="btn"
          aria-pressed={state.chosen.value.includes(state.feature.value)}
          onClick={() => state.toggle(state.feature.value)}
        >
          {state.chosen.value.includes(state.feature.value) ? words.unchoose : words.choose}
        </button>
      </div>
      <Failed view={view} />
      {model && <Inner key={state.feature.value} model={model} draw={featureDashboard} root={view.root} />}
    </>
  );
}
