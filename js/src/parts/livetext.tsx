// The box to type into: the text itself is coloured, for a mirror with the fills lies under a text area without ink.
import { useRef } from "preact/hooks";
import { type Cell, cellsOf, cellsOfDraft, peakOf } from "../cells";
import { fill } from "../fill";
import { activation } from "../format";
import { hue, ramp, step } from "../palette";
import type { ChosenFeature, FeatureDashboardPayload, HeatmapPayload } from "../payloads";
import { asText, piled, plain } from "../signs";
import type { DashboardView } from "../views/featuredashboard";
import * as words from "../words/dashboard";
import { Changer } from "./changer";

/** The token that ends at a caret before character `offset`, or holds it. */
export function tokenAt(cells: readonly Cell[], offset: number): number {
  let found = -1;
  for (const cell of cells) if (cell.token >= 0 && cell.start < cell.end && cell.start < offset) found = cell.token;
  return found;
}

interface Props {
  view: DashboardView;
  payload: FeatureDashboardPayload;
}

export function LiveText({ view, payload }: Props) {
  const { state } = view;
  const { live } = payload;
  const off = state.off;
  const feature = live?.features[0];
  const text = state.text.value;
  const cells = live ? cellsOfDraft(cellsOf(live.tokens), live.prompt, text) : [];
  const area = useRef<HTMLTextAreaElement>(null);
  const caret = () => {
    const at = tokenAt(cells, area.current?.selectionEnd ?? 0);
    if (at >= 0) state.select(at);
  };
  return (
    <section aria-label={words.tryText}>
      <h3>
        {words.tryText} {!off && <span class="sub">{words.live}</span>}
      </h3>
      <div class={off ? "box off" : "box"}>
        <div class="mirrored" hidden={off !== "" && !text}>
          <div class="mirror" aria-hidden="true">
            {live && feature && text ? (
              <Mirror cells={cells} text={text} slot={payload.slot} feature={feature} full={payload.maximum} />
            ) : (
              text
            )}
            {/* An empty last line has no height of its own. */}
            {text.endsWith("\n") || text === "" ? "\u200b" : ""}
          </div>
          {!off && !piled(text) && (
            <textarea
              ref={area}
              aria-label={words.ownText}
              spellcheck={false}
              autocapitalize="off"
              placeholder={words.typeText}
              value={text}
              onInput={(event) => state.type(event.currentTarget.value)}
              onKeyUp={caret}
              onPointerUp={caret}
              onKeyDown={(event) => {
                event.stopPropagation();
                if (event.key === "Escape") event.currentTarget.blur();
              }}
            />
          )}
        </div>
        {off && <p class="sub">{plain(off, 300)}</p>}
        {live && feature && <Under view={view} payload={payload} live={live} feature={feature} />}
      </div>
    </section>
  );
}

interface MirrorProps {
  cells: readonly Cell[];
  text: string;
  slot: number;
  feature: ChosenFeature;
  full: number;
}

/** The text with a fill under each token; a leading space is never filled. */
function Mirror({ cells, text, slot, feature, full }: MirrorProps) {
  const maximum = Math.max(full, feature.maximum);
  return (
    <>
      {cells.map(({ token, start, end }, i) => {
        const piece = text.slice(start, end);
        if (!piece) return null;
        const before = token > 0 ? (feature.values[token] ?? 0) : 0;
        const now = token > 0 ? ((feature.after ?? feature.values)[token] ?? 0) : 0;
        const tint = ramp(slot, step(now, maximum));
        const gone = before > 0 && !tint;
        const gap = /^\s*/.exec(piece)?.[0] ?? "";
        return (
          <span key={i}>
            {gap}
            <span class={tint ? `lt filled ${tint}` : gone ? `lt gone ${hue(slot)}` : "lt"}>
              {piece.slice(gap.length)}
            </span>
          </span>
        );
      })}
    </>
  );
}

interface UnderProps extends Props {
  live: HeatmapPayload;
  feature: ChosenFeature;
}

/** What the feature does in the text, and the slider. */
function Under({ view, payload, live, feature }: UnderProps) {
  const { state } = view;
  const before = peakOf(feature.values);
  // Where it was silent, what an edit adds.
  const at = (feature.values[before] ?? 0) > 0 ? before : peakOf(feature.after ?? feature.values);
  const fires = ((feature.values[at] ?? 0) || (feature.after?.[at] ?? 0)) > 0;
  const word = (token: number) => {
    const cell = cellsOf(live.tokens)[token];
    return cell ? plain(asText(cell.drawn), 24) : "";
  };
  const value = (token: number) => {
    const before = activation(feature.values[token] ?? 0);
    const after = feature.after ? activation(feature.after[token] ?? 0) : before;
    return before === after ? before : `${before} → ${after}`;
  };
  const said = (token: number) => ({ value: value(token), token: <span class="tk">{word(token)}</span> });
  const here = state.selection.value;
  return (
    <div class="under-text">
      <span class="sub">
        {fires ? fill(words.mostAt, said(at)) : words.silent}
        {here !== at && fires && fill(words.alsoAt, said(here))}
      </span>
      <span class="sp" />
      <Changer view={view} payload={payload} />
    </div>
  );
}
