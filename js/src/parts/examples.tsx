// Where a feature fires: a concordance, by interval of activation with its share, the strongest, or at random.
import { useSignal } from "@preact/signals";
import { fill } from "../fill";
import { MINUS, share } from "../format";
import type { ExampleGroup, FeatureDashboardPayload } from "../payloads";
import { tickLabel } from "../scale";
import { plain } from "../signs";
import type { DashboardView } from "../views/featuredashboard";
import * as common from "../words/common";
import * as words from "../words/dashboard";
import { type Effect, PassageRow } from "./passages";
import { shown } from "./predictions";
import { Segments } from "./segments";

export const GROUPS = ["interval", "top", "random"];
/** Examples of a group that are shown at first. */
const FEW = 8;

/** "2 – 4", with a minus where it is below 0. */
export function boundsOf({ low, high, negative }: ExampleGroup): string {
  const sign = negative ? MINUS : "";
  return `${sign}${tickLabel(low)} – ${sign}${tickLabel(high)}`;
}

interface Props {
  view: DashboardView;
  payload: FeatureDashboardPayload;
}

export function Examples({ view, payload, few = 0 }: Props & { few?: number }) {
  const { state } = view;
  const { n_tokens, n_active, fires_on, nearest_live } = payload;
  const kinds = GROUPS.filter((kind) => payload.groups.some((group) => group.kind === kind));
  const groups = payload.groups.filter(({ kind }) => kind === state.kind.value);
  if (n_tokens === 0) {
    return (
      <section aria-label={common.whereItFires}>
        <h3>{common.whereItFires}</h3>
        <p class="em">{words.noAtlas}</p>
      </section>
    );
  }
  if (n_active === 0) {
    return (
      <section aria-label={common.whereItFires}>
        <h3>{common.whereItFires}</h3>
        <p class="em">
          {words.neverFired(n_tokens)}
          {nearest_live &&
            fill(words.nearestLive, {
              feature: (
                <button
                  type="button"
                  class="link"
                  disabled={!state.live.value}
                  onClick={() => state.open(nearest_live.id)}
                >
                  {plain(nearest_live.label || nearest_live.id, 80)}
                </button>
              ),
            })}
        </p>
      </section>
    );
  }
  if (few > 0) {
    const strongest = payload.groups.find(({ kind }) => kind === "top") ?? payload.groups[0];
    return (
      <section key={payload.id} aria-label={common.whereItFires} class="few">
        {strongest?.passages.slice(0, few).map((passage, i) => (
          <PassageRow key={i} passage={passage} feature={payload} position={strongest.positions[i]} />
        ))}
      </section>
    );
  }
  return (
    <section aria-label={common.whereItFires}>
      <div class="dbar firing">
        <h3>{common.whereItFires}</h3>
        <Segments
          label={words.examples}
          choices={kinds.map((value) => ({ value, label: words.groups[value] ?? value }))}
          value={state.kind.value}
          set={state.show}
        />
        <span class="sp" />
        <span class="sub">{words.active(n_active, n_tokens)}</span>
      </div>
      <p class="sub fires-on">
        {fires_on.slice(0, 5).map(({ text, value }, i) => (
          <span key={text + String(i)}>
            {i > 0 && " · "}
            <span class="tk">{shown(text)}</span> {share(value)}
          </span>
        ))}
        {fires_on.length > 5 && " …"}
      </p>
      {groups.map((group, i) => (
        <Group
          key={`${payload.id} ${group.kind} ${i}`}
          group={group}
          payload={payload}
          first={i === 0}
          measure={state.off ? undefined : state.effect}
        />
      ))}
      <p class="sub how">{words.groupNotes[state.kind.value]}</p>
    </section>
  );
}

interface GroupProps {
  group: ExampleGroup;
  payload: FeatureDashboardPayload;
  first: boolean;
  /** Asks what the tokens of an example owe to the feature. */
  measure?: ((context: number, position: number) => Promise<Effect | null>) | undefined;
}

function Group({ group, payload, first, measure }: GroupProps) {
  const all = useSignal(false);
  const some = all.value ? group.passages : group.passages.slice(0, FEW);
  const more = group.passages.length - FEW;
  return (
    <div class={first ? "examples first" : "examples"}>
      {group.kind === "interval" && (
        <div class="sub bounds">
          <span>{boundsOf(group)}</span> <span>{share(group.share)}</span>
        </div>
      )}
      {some.map((passage, i) => (
        <PassageRow
          key={i}
          passage={passage}
          feature={payload}
          position={group.positions[i]}
          measure={measure && (() => measure(group.contexts[i] as number, group.positions[i] as number))}
        />
      ))}
      {more > 0 && (
        <button type="button" class="link sub" onClick={() => (all.value = !all.value)}>
          {all.value ? common.showFewer : common.showMore(more)}
        </button>
      )}
    </div>
  );
}
