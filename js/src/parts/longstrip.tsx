// The strip of a long prompt: rail, blocks of text, before or after; edited in a text area in the same place.
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { stripKey } from "../commands";
import { changedAt, fillClass, fillOf } from "../look";
import { piled } from "../signs";
import type { View } from "../view";
import * as common from "../words/common";
import * as words from "../words/heatmap";
import { LongText } from "./long";
import { Rail } from "./rail";
import { Segments } from "./segments";
import { describe } from "./tooltip";

export function LongStrip({ view }: { view: View }) {
  const { state } = view;
  const payload = state.payload.value;
  const box = useRef<HTMLDivElement>(null);
  const area = useRef<HTMLTextAreaElement>(null);
  const text = useRef<LongText | null>(null);
  const moved = useRef(false);
  const shown = useSignal<[number, number]>([0, 0]);
  const which = useSignal("after");
  const edited = state.edited.value;
  const after = edited && which.value === "after";
  const features = state.features.value;
  const fill = payload ? fillOf(payload, state.fill.value, state.filling.value, state.siteView.value) : null;
  const editing = view.editing.value;

  useLayoutEffect(() => {
    if (editing || !box.current) return;
    text.current = new LongText(box.current);
    return () => text.current?.close();
  }, [editing]);

  useLayoutEffect(() => {
    if (!payload || !fill || !text.current || editing) return;
    const name = (token: number) =>
      fillClass(fill, token, after) + (after && features.length && changedAt(features, token) ? " chg" : "");
    text.current.show(payload.tokens, payload.prompt, name);
  }, [payload, fill?.before, fill?.after, after, editing, features]);

  useLayoutEffect(() => {
    text.current?.select(state.selection.value, moved.current);
    moved.current = false;
  }, [state.selection.value, payload, editing]);

  useEffect(() => {
    const update = () => {
      if (text.current) shown.value = text.current.window();
    };
    const timer = setTimeout(update, 60);
    box.current?.addEventListener("scroll", update, { passive: true, signal: view.signal });
    return () => clearTimeout(timer);
  }, [editing]);

  useEffect(() => {
    if (editing) area.current?.focus();
  }, [editing]);

  const hover = (event: PointerEvent) => {
    const token = text.current?.hit(event) ?? -1;
    if (token < 0) view.hover.value = null;
    else if (view.hover.value?.token !== token) {
      const element = text.current?.element(token);
      if (element) view.hover.value = { token, box: element.getBoundingClientRect() };
    }
  };
  const move = (token: number) => {
    moved.current = true;
    state.select(token);
  };
  const edit = () => {
    if (state.live.value && !piled(state.draft.value.prompt)) view.editing.value = true;
  };
  const key = (event: KeyboardEvent) => {
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key === "a") document.getSelection()?.selectAllChildren(box.current as Node);
    else if (event.key === "Enter") edit();
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const down = event.key === "ArrowDown";
      const per = Math.max(
        4,
        Math.round((shown.value[1] - shown.value[0]) / Math.max(1, (box.current?.clientHeight ?? 240) / 28)),
      );
      move(state.selection.value + (down ? per : -per));
    } else {
      moved.current = true;
      if (!stripKey(view, event)) return;
    }
    event.preventDefault();
    event.stopPropagation();
    const { head, values } = describe(view, state.selection.value);
    view.said.value = `${head}, ${values.join(", ")}`;
  };
  const typing = (event: KeyboardEvent) => {
    event.stopPropagation();
    if (event.isComposing) return;
    if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey)) {
      event.preventDefault();
      view.editing.value = false;
      requestAnimationFrame(view.focusStrip);
    }
  };
  if (!payload || !fill) return null;
  return (
    <div class="long">
      <div class="longhead">
        {edited && (
          <Segments
            label={words.show}
            choices={[
              { value: "before", label: words.before },
              { value: "after", label: words.after },
            ]}
            value={which.value}
            set={(value) => (which.value = value)}
          />
        )}
        <Rail
          fill={fill}
          after={after}
          length={payload.tokens.text.length}
          shown={shown}
          go={(token) => text.current?.scrollTo(token)}
        />
      </div>
      {editing ? (
        <textarea
          class="longbox strip"
          ref={area}
          aria-label={common.prompt}
          spellcheck={false}
          value={state.draft.value.prompt}
          onInput={(event) => state.want({ prompt: event.currentTarget.value }, true)}
          onKeyDown={typing}
        />
      ) : (
        <div
          class="longbox strip"
          ref={box}
          data-strip=""
          tabIndex={0}
          role="group"
          aria-label={common.tokensOfPrompt}
          onPointerMove={hover}
          onPointerDown={(event) => event.pointerType === "touch" && hover(event)}
          onPointerLeave={(event) => {
            if (event.pointerType !== "touch") view.hover.value = null;
          }}
          onClick={(event) => {
            const token = text.current?.hit(event) ?? -1;
            if (token >= 0) state.select(token);
          }}
          onDblClick={edit}
          onKeyDown={key}
        />
      )}
    </div>
  );
}
