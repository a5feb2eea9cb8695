// The Explorer: strip on top; features, circuit, predictions; the focused feature, the texts and the diary.
import { computed, type ReadonlySignal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { viewKey } from "../commands";
import css from "../css/explorer.css";
import { Divider } from "../explorer/divider";
import { ExplorerState, PRESETS, SIDES } from "../explorer/state";
import { probability, share } from "../format";
import type { HeatmapState } from "../model";
import { type Draw, type Host, mount } from "../mount";
import { Row } from "../parts/chips";
import { Conditions, Foot } from "../parts/foot";
import { Help } from "../parts/help";
import { Key } from "../parts/key";
import { Legend } from "../parts/legend";
import { LongStrip } from "../parts/longstrip";
import { Menu, save } from "../parts/menu";
import { NextToken } from "../parts/predictions";
import { SearchBox } from "../parts/search";
import { Segments } from "../parts/segments";
import { Edge, Failed, Status } from "../parts/status";
import { Steps } from "../parts/steps";
import { Strip } from "../parts/strip";
import { Strongest } from "../parts/strongest";
import { Site } from "../parts/toolbar";
import { Tooltip } from "../parts/tooltip";
import type { Payload } from "../payloads";
import type { AnyModel, Picture } from "../picture";
import { searchHere } from "../search";
import { plain } from "../signs";
import { type BaseView, makeBaseView, makeView, type View } from "../view";
import * as common from "../words/common";
import * as words from "../words/explorer";
import { keys } from "../words/heatmap";
import { circuitPart } from "./circuitgraph";
import { compare } from "./compare";
import { dashboardPart } from "./featuredashboard";
import { LONG } from "./heatmap";
import { steeringTexts } from "./steering";

type ExplorerView = BaseView<ExplorerState>;

export const explorer: Draw = (model, root, ended, host) => {
  const state = new ExplorerState(model, host);
  return { state, element: <Explorer view={makeBaseView(state, root, ended)} host={host} /> };
};

function Explorer({ view, host }: { view: ExplorerView; host: Host | undefined }) {
  const { state } = view;
  const payload = state.payload.value;
  const heat = state.heat.value;
  const strip = useMemo(() => heat && makeView(heat, view.root, view.signal), [heat]);
  const lecture = state.preset.value === "lecture";
  const comparing = state.preset.value === "compare";
  const key = (event: KeyboardEvent) => {
    const { tagName } = event.composedPath()[0] as HTMLElement;
    const by = event.key === "PageDown" ? 1 : event.key === "PageUp" ? -1 : 0;
    if (lecture && by && tagName !== "TEXTAREA") state.turn(by, words.titles.length);
    else if (!strip || !viewKey(strip, event)) return;
    event.preventDefault();
    event.stopPropagation();
  };
  const [a, b, c] = state.widths.value;
  return (
    <div
      class={`w ex${lecture ? " lecture" : ""}`}
      style={{
        "--a": String(a),
        "--b": String(b),
        "--c": String(c),
        "min-height": payload ? undefined : `${state.height}px`,
      }}
      data-busy={String(heat?.requests.busy.value ?? true)}
      onKeyDown={key}
    >
      <style>{css}</style>
      {strip && <Edge view={strip} />}
      {payload && (
        <div class="bar0">
          <Segments
            label={words.preset}
            choices={PRESETS.map((preset) => ({ value: preset, label: words.presets[preset], off: state.why(preset) }))}
            value={state.preset.value}
            set={(to) => state.set("preset", to)}
          />
          {heat?.edited.value && !comparing && (
            <Segments
              label={words.edits}
              choices={SIDES.map((side) => ({ value: side, label: words.sides[side] }))}
              value={state.side.value}
              set={(to) => state.set("side", to)}
            />
          )}
          {lecture && <Turn state={state} />}
          <span class="sp" />
          {strip && <Status view={strip} />}
          <span class="steps">
            <Steps state={state} />
            <Menu view={view} label="⋯" name={common.menu} bare full />
          </span>
        </div>
      )}
      <Failed view={view} />
      {comparing && (
        <>
          <Slot name="compare" title={words.comparison} view={view} draw={compare} host={host} />
          <div class="below">
            <Diary view={view} lines={payload?.diary ?? []} />
          </div>
        </>
      )}
      {strip && !comparing && <Panels view={view} strip={strip} host={host} lecture={lecture} />}
      {!comparing && (
        <Foot view={view} editable>
          {payload && <Conditions context={payload.context} error={heat?.payload.value?.context.error} />}
        </Foot>
      )}
      {strip && <Tooltip view={strip} />}
      {strip && (
        <Help
          view={{ ...view, help: strip.help } as BaseView}
          keys={[...keys, words.turnKeys]}
          note={common.lettersInStrip}
        />
      )}
      <div class="hear" role="status" aria-live="polite">
        {strip?.said} {view.said}
      </div>
    </div>
  );
}

/** One panel of a lecture after the other. */
function Turn({ state }: { state: ExplorerState }) {
  const at = state.page.value;
  const button = (by: number, sign: string, name: string) => (
    <button
      type="button"
      class="btn"
      aria-label={name}
      disabled={at + by < 0 || at + by >= words.titles.length}
      onClick={() => state.turn(by, words.titles.length)}
    >
      {sign}
    </button>
  );
  return (
    <span class="turn" role="group" aria-label={words.panels}>
      {button(-1, "‹", words.panelBefore)}
      <span aria-live="polite">
        {words.titles[at]} <span class="q">{common.ofTotal(at + 1, words.titles.length)}</span>
      </span>
      {button(1, "›", words.nextPanel)}
    </span>
  );
}

interface PanelsProps {
  view: ExplorerView;
  strip: View;
  host: Host | undefined;
  lecture: boolean;
}

function Panels({ view, strip, host, lecture }: PanelsProps) {
  const { state } = view;
  const heat = strip.state;
  const long = (heat.payload.value?.tokens.text.length ?? 0) > LONG;
  const drained = heat.requests.stale.value || heat.failure.value !== null ? " drained" : "";
  const panel = (at: number, zoomed: boolean, children: ComponentChildren) => (
    <div class={`panel p${at}${lecture && zoomed ? " large" : ""}`} hidden={lecture && state.page.value !== at}>
      {children}
    </div>
  );
  // In a narrow place the lower panels are a line each: its name and one number.
  const fold = (at: number, zoomed: boolean, number: ReadonlySignal<string>, children: ComponentChildren) =>
    panel(
      at,
      zoomed,
      lecture ? (
        children
      ) : (
        <Fold title={words.titles[at] as string} number={number}>
          {children}
        </Fold>
      ),
    );
  const numbers = useMemo(() => numbersOf(state), []);
  const draws = useMemo(
    () => ({
      circuit: circuitPart({
        letters: state.letters,
        token: state.token,
        wide: state.wide,
        took: state.took,
        open: state.open,
      }),
      dashboard: dashboardPart({
        opened: state.opened,
        letters: state.letters,
        open: (whole) => state.set("opened", whole),
      }),
    }),
    [],
  );
  return (
    <>
      {panel(
        0,
        true,
        <>
          <Chips view={strip} focus={state.focus} />
          <div class={`picture${drained}`}>{long ? <LongStrip view={strip} /> : <Strip view={strip} />}</div>
          <Failed view={strip} />
          <Legend view={strip} merged={false} long={long} />
        </>,
      )}
      <div class="three">
        {panel(
          1,
          true,
          <div class={drained}>
            <div class="siterow">
              <Site view={strip} />
            </div>
            <Strongest view={strip} />
          </div>,
        )}
        <Divider view={view} index={0} label={words.widthOfFeatures} />
        {fold(
          2,
          false,
          numbers.circuit,
          <Slot name="circuit" title={words.circuit} view={view} draw={draws.circuit} host={host} />,
        )}
        <Divider view={view} index={1} label={words.widthOfPredictions} />
        {panel(
          3,
          true,
          <div class={drained}>
            <NextToken view={strip} />
          </div>,
        )}
      </div>
      <div class={state.opened.value && !lecture ? "two open" : "two"}>
        {fold(
          4,
          true,
          numbers.dashboard,
          <Slot name="dashboard" title={words.focusedFeature} view={view} draw={draws.dashboard} host={host} />,
        )}
        <Divider view={view} index={2} label={words.widthOfFocused} />
        <div>
          {fold(
            5,
            true,
            numbers.text,
            <Slot name="text" title={words.whatItSays} view={view} draw={steeringTexts} host={host} />,
          )}
          {fold(6, true, numbers.diary, <Diary view={view} lines={state.payload.value?.diary ?? []} />)}
        </div>
      </div>
    </>
  );
}

/** A panel that is a widget, or a page's picture, of its own, drawn by its own view in a root of its own. */
function Slot({
  name,
  title,
  view,
  draw,
  host,
}: {
  name: string;
  title: string;
  view: ExplorerView;
  draw: Draw;
  host: Host | undefined;
}) {
  const { state } = view;
  const model = state.models.value[name];
  const note = state.note(name);
  const seed = state.payload.value?.context.seed ?? 0;
  return (
    <section aria-label={title}>
      {name !== "dashboard" && name !== "compare" && (
        <h3>
          {title} <span class="sub">{name === "text" && `· ${common.seedOf(seed)}`}</span>
        </h3>
      )}
      {note && <p class="em drained">{plain(note, 400)}</p>}
      {!model && !note && <p class="em">{waiting(state, name)}</p>}
      {model && (
        <Mounted
          key={String(model.get("_view"))}
          model={model}
          draw={draw}
          host={host}
          drawn={(picture) => state.drew(name, picture)}
        />
      )}
    </section>
  );
}

const kl = (value: number | null) => (value === null ? words.noEdit : words.klOf(probability(value)));

/** One number of each lower panel. */
function numbersOf(state: ExplorerState) {
  const of = (name: string, say: (payload: Payload) => string) =>
    computed(() => {
      const payload = state.drawn.value[name]?.payload.value;
      return state.note(name) ? words.notThere : payload ? say(payload) : "…";
    });
  return {
    circuit: of("circuit", (p) => ("nodes" in p ? words.nodes(p.nodes.id.length) : "")),
    dashboard: of("dashboard", (p) =>
      "n_active" in p ? words.density(share(p.n_active / Math.max(1, p.n_tokens))) : "",
    ),
    text: of("text", (p) => ("texts" in p ? kl(p.texts.find(({ role }) => role === "steered")?.kl ?? null) : "")),
    diary: computed(() => words.steps(state.payload.value?.diary.length ?? 0)),
  };
}

function Fold({
  title,
  number,
  children,
}: {
  title: string;
  number: ReadonlySignal<string>;
  children: ComponentChildren;
}) {
  const open = useSignal(false);
  return (
    <div class={open.value ? "shelf" : "shelf shut"}>
      <button type="button" class="line" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
        <b>{title}</b> <span class="num">{number}</span>
      </button>
      <div class="inside">{children}</div>
    </div>
  );
}

function waiting(state: ExplorerState, name: string): string {
  if (name === "dashboard" && !state.feature.value) return words.noFeatureInHand;
  if (state.live.value) return "…";
  return name === "dashboard" ? words.dashboardNotCarried(plain(state.feature.value, 60)) : words.noSuchPanel;
}

interface MountedProps {
  model: AnyModel;
  draw: Draw;
  host: Host | undefined;
  drawn: (picture: Picture<Payload>) => void;
}

function Mounted({ model, draw, host, drawn }: MountedProps) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!box.current) return;
    const bare: Draw = (own, root, ended, others) => {
      root.classList.add("bare");
      const made = draw(own, root, ended, others);
      drawn(made.state as Picture<Payload>);
      return made;
    };
    return mount({ model, el: box.current, ...(host && { host }) }, new Map([[String(model.get("_view")), bare]]));
  }, [model]);
  return <div ref={box} />;
}

/** The lettered features; the focused one has its slider. */
function Chips({ view, focus }: { view: View; focus: (id: string) => void }) {
  const { state }: { state: HeatmapState } = view;
  const features = state.features.value;
  const focused = features.find(({ id }) => id === state.focused.value);
  const edits = state.edits.value;
  return (
    <>
      <div class="chips" role="group" aria-label={words.letteredFeatures}>
        {features.map((feature) => {
          const own = state.live.value ? edits.find((edit) => edit.feature === feature.id) : null;
          const gone = state.live.value ? own?.kind === "ablate" : feature.scale === 0;
          return (
            <button
              key={feature.id}
              type="button"
              class={feature.id === state.fill.value ? "chip on" : "chip"}
              aria-pressed={feature.id === state.fill.value}
              onClick={() => focus(feature.id)}
            >
              <Key feature={feature} hollow={gone} />
              <span class="clip">{plain(feature.label || feature.id, 80)}</span>
              {(gone || own) && <b>{gone ? words.ablated : words.edited}</b>}
            </button>
          );
        })}
        <SearchBox view={view} here={(text) => searchHere(state, text)} />
      </div>
      {focused && (
        <div class="mixer">
          <Row view={view} feature={focused} />
        </div>
      )}
    </>
  );
}

function Diary({ view, lines }: { view: ExplorerView; lines: readonly string[] }) {
  const { live, requests } = view.state;
  const back = (line: number) =>
    requests.ask({ type: "back", line }).catch((failure) => (requests.failure.value = failure));
  const end = useRef<HTMLOListElement>(null);
  useEffect(() => {
    end.current?.scrollTo?.(0, end.current.scrollHeight);
  }, [lines.length]);
  return (
    <section aria-label={words.diary}>
      <h3>
        {words.diary} <span class="sub">{words.asCode}</span>
      </h3>
      {lines.length === 0 ? (
        <p class="em">{words.nothingYet}</p>
      ) : (
        <ol class="diary" ref={end} tabIndex={0} aria-label={words.stepsList}>
          {lines.map((line, i) => (
            <li key={i} class={i === lines.length - 1 ? "now" : ""}>
              {live.value ? (
                <button type="button" class="plain" title={words.goBack} onClick={() => back(i)}>
                  <code>{plain(line, 400)}</code>
                </button>
              ) : (
                <code>{plain(line, 400)}</code>
              )}
            </li>
          ))}
        </ol>
      )}
      {live.value && lines.length > 0 && (
        <button type="button" class="plain" onClick={() => save(view as unknown as BaseView, "ipynb")}>
          {words.exportNotebook}
        </button>
      )}
    </section>
  );
}
