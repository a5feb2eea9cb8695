// The strip: tokens with fills and lanes, before above after; it is also the editor of the prompt.
import { useLayoutEffect, useRef } from "preact/hooks";
import { cellsOf, cellsOfDraft } from "../cells";
import { stripKey } from "../commands";
import { type Fill, fillOf, lookAt } from "../look";
import { hue, letter } from "../palette";
import type { View } from "../view";
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

export function Strip({ view }: { view: View }) {
  const { state } = view;
  const payload = state.payload.value;
  const compact = state.compact;
  const side = state.side.value;
  const edited = state.edited.value && !compact && side === "both";
  const after = state.edited.value && !compact && side === "after";
  const top = useRef<HTMLDivElement>(null);
  const bottom = useRef<HTMLDivElement>(null);
  const parts = useRef<Parts | null>(null);
  const features = state.features.value;
  const draft = view.editing.value ? state.draft.value.prompt : (payload?.prompt ?? "");

  // Read here, so that the part is drawn again when they change.
  const selection = state.selection.value;
  const merged = compact && state.edited.value;
  const fill = payload && fillOf(payload, state.fill.value, state.filling.value, state.siteView.value);

  useLayoutEffect(() => {
    const editor = new Editor(view, top.current as HTMLElement);
    parts.current = { before: new Lines(editor.lines), after: null, editor };
    editor.attach(parts.current.before);
    return () => editor.close();
  }, []);

  const differing = state.differing.value;
  const pointed = state.pointed.value;
  const look = (token: number, after: boolean, both = false): Look => ({
    ...lookAt(fill as Fill, features, token, after, both),
    differs: differing.has(token),
    pointed: token === pointed,
  });

  // Every render: dressing touches only what differs.
  useLayoutEffect(() => {
    const strip = parts.current;
    if (!strip || !payload || !fill) return;
    const cells = cellsOfDraft(cellsOf(payload.tokens), payload.prompt, draft);
    const lanes = laneSize(features.length);
    strip.before.show(cells, (token) => look(token, merged || after, merged), lanes, compact);
    if (!edited) strip.after = null;
    else if (bottom.current && strip.after?.root !== bottom.current) strip.after = new Lines(bottom.current);
    strip.after?.show(cells, (token) => look(token, true), lanes, false);
    const { head, values } = describe(view, selection);
    strip.before.name(selection, `${head}, ${values.join(", ")}`);
    const element = strip.before.select(selection);
    strip.after?.select(selection);
    if (compact) strip.before.markLine(selection);
    strip.editor.shown(element);
  });

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
      strip.editor.open(strip.before.cells[state.selection.value]?.end ?? draft.length);
    } else if (!stripKey(view, event)) return;
    event.preventDefault();
    event.stopPropagation();
  };

  const lanes = !compact && features.length > 0;
  const gap = lanes ? 12 + laneSize(features.length).pitch * features.length : compact ? 12 : 6;
  return (
    <div
      class={`ba${edited ? " two" : ""}${compact ? " compact" : ""}`}
      style={{ "--lh": `${gap}px`, "--pitch": `${laneSize(features.length).pitch}px`, "--n": String(features.length) }}
      onPointerMove={hover}
      // What a finger was put on is told until it is put elsewhere.
      onPointerDown={(event) => event.pointerType === "touch" && hover(event)}
      onPointerLeave={(event) => event.pointerType === "touch" || leave()}
      onFocusOut={(event) => event.currentTarget.contains(event.relatedTarget as Node) || leave()}
      onKeyDown={key}
      onClick={choose}
    >
      <Margin view={view} text={edited ? "before" : after ? "after" : ""} lanes={lanes} />
      <div class="strip" ref={top} />
      {edited && <Margin view={view} text="after" lanes={lanes} />}
      {edited && <div class="strip" ref={bottom} role="listbox" aria-label="Tokens after the edits" />}
    </div>
  );
}
