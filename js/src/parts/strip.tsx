// The strip: tokens with fills and lanes, before above after; it is also the editor of the prompt.
import { effect, untracked, useComputed } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { cellsOf, cellsOfDraft } from "../cells";
import { stripKey } from "../commands";
import { fillOf, lookAt } from "../look";
import type { HeatmapState, Side } from "../model";
import { hue, letter } from "../palette";
import type { View } from "../view";
import * as words from "../words/heatmap";
import { Editor } from "./editor";
import { Lines } from "./lines";
import { type Look, laneSize } from "./token";
import { describe } from "./tooltip";

interface Parts {
  before: Lines;
  after: Lines | null;
  editor: Editor;
}

/** Letters of the lanes in the margin. */
function Margin({ view, text, lanes }: { view: View; text: string; lanes: boolean }) {
  const features = view.state.features.value;
  const { pitch } = laneSize(features.length);
  return (
    <div class="l">
      {text}
      {lanes && (
        <span class="lk" aria-hidden="true">
          {features.map((feature) => (
            <i
              key={feature.id}
              class={hue(feature.slot)}
              style={{
                height: `${pitch}px`,
                "line-height": `${pitch}px`,
                "font-size": `${Math.min(8.5, pitch + 1)}px`,
              }}
            >
              {letter(feature.slot)}
            </i>
          ))}
        </span>
      )}
    </div>
  );
}

/** Draw the picture into its lines: dressing touches only what differs. */
function draw(view: View, { before, after, editor }: Parts): void {
  const { state } = view;
  const payload = state.payload.value;
  const fill = payload && fillOf(payload, state.fill.value, state.filling.value, state.siteView.value);
  if (!payload || !fill) return;
  const features = state.features.value;
  const { compact } = state;
  const side = shownSide(state);
  const merged = compact && state.edited.value;
  const differing = state.differing.value;
  const pointed = state.pointed.value;
  const look = (token: number, edited: boolean, both = false): Look => ({
    ...lookAt(fill, features, token, edited, both),
    differs: differing.has(token),
    pointed: token === pointed,
  });
  const draft = view.editing.value ? state.draft.value.prompt : payload.prompt;
  const cells = cellsOfDraft(cellsOf(payload.tokens), payload.prompt, draft);
  const lanes = laneSize(features.length);
  before.show(cells, (token) => look(token, merged || side === "after", merged), lanes, compact);
  if (side === "both") after?.show(cells, (token) => look(token, true), lanes, false);
  const selection = state.selection.value;
  const { head, values } = describe(view, selection);
  before.name(selection, `${head}, ${values.join(", ")}`);
  const element = before.select(selection);
  after?.select(selection);
  if (compact) before.markLine(selection);
  untracked(() => editor.shown(element));
}

/** What of an edit the lines show; a compact strip has no second lines. */
function shownSide(state: HeatmapState): Side {
  return state.compact || !state.edited.value ? "before" : state.side.value;
}

export function Strip({ view }: { view: View }) {
  const { state } = view;
  const { compact } = state;
  const side = useComputed(() => shownSide(state)).value;
  const edited = side === "both";
  const n = useComputed(() => state.features.value.length).value;
  const top = useRef<HTMLDivElement>(null);
  const bottom = useRef<HTMLDivElement>(null);
  const parts = useRef<Parts | null>(null);

  // The lines are drawn when a picture is there, and not when all panels are: they are what a key press waits for.
  useLayoutEffect(() => {
    const editor = new Editor(view, top.current as HTMLElement);
    const own: Parts = { before: new Lines(editor.lines), after: null, editor };
    parts.current = own;
    editor.attach(own.before);
    const end = effect(() => draw(view, own));
    return () => {
      end();
      editor.close();
    };
  }, []);

  useLayoutEffect(() => {
    const own = parts.current;
    if (!own) return;
    if (!edited) own.after = null;
    else if (bottom.current && own.after?.root !== bottom.current) own.after = new Lines(bottom.current);
    untracked(() => draw(view, own));
  }, [edited, n]);

  const leave = () => {
    view.hover.value = null;
    state.pointing.value = -1;
  };
  const hover = (event: PointerEvent) => {
    const strip = parts.current;
    if (!strip) return;
    for (const lines of [strip.before, strip.after]) {
      const i = lines?.hit(event) ?? -1;
      const token = lines?.cells[i]?.token ?? -1;
      const element = lines?.elements[i];
      if (token >= 0 && element) {
        if (view.hover.value?.token !== token) view.hover.value = { token, box: element.getBoundingClientRect() };
        state.pointing.value = token;
        return;
      }
    }
    leave();
  };

  const choose = (event: MouseEvent) => {
    const strip = parts.current;
    if (!strip) return;
    const lines = strip.after && event.composedPath().includes(strip.after.root) ? strip.after : strip.before;
    const token = lines.cells[lines.hit(event)]?.token ?? -1;
    if (token >= 0) state.select(token);
    const dragged = !(view.root.ownerDocument.getSelection()?.isCollapsed ?? true);
    if (dragged) return;
    if (state.live.value && event.detail > 0) strip.editor.open(lines.offsetAt(event.clientX, event.clientY));
    else view.focusStrip();
  };

  const key = (event: KeyboardEvent) => {
    const strip = parts.current;
    if (!strip || event.composedPath()[0] === strip.editor.area) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const box = strip.before.elements[state.selection.value]?.getBoundingClientRect();
      const i = box ? strip.before.neighbour(state.selection.value, event.key === "ArrowDown") : -1;
      const token = strip.before.cells[i]?.token ?? -1;
      if (token >= 0) state.select(token);
    } else if (event.key === "Enter" && state.live.value) {
      strip.editor.open(strip.before.cells[state.selection.value]?.end ?? state.draft.value.prompt.length);
    } else if (!stripKey(view, event)) return;
    event.preventDefault();
    event.stopPropagation();
  };

  const lanes = !compact && n > 0;
  const { pitch } = laneSize(n);
  const gap = lanes ? 12 + pitch * n : compact ? 12 : 6;
  return (
    <div
      class={`ba${edited ? " two" : ""}${compact ? " compact" : ""}`}
      style={{ "--lh": `${gap}px`, "--pitch": `${pitch}px`, "--n": String(n) }}
      onPointerMove={hover}
      // What a finger was put on is told until it is put elsewhere.
      onPointerDown={(event) => event.pointerType === "touch" && hover(event)}
      onPointerLeave={(event) => event.pointerType === "touch" || leave()}
      onFocusOut={(event) => event.currentTarget.contains(event.relatedTarget as Node) || leave()}
      onKeyDown={key}
      onClick={choose}
    >
      <Margin view={view} text={edited ? words.before : side === "after" ? words.after : ""} lanes={lanes} />
      <div class="strip" ref={top} />
      {edited && <Margin view={view} text={words.after} lanes={lanes} />}
      {edited && <div class="strip" ref={bottom} role="listbox" aria-label={words.tokensAfter} />}
    </div>
  );
}
