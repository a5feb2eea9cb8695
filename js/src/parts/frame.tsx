// What every view is in: its box, the top edge, the keys and their sheet, what a screen reader is told.
import type { ComponentChildren, ComponentType } from "preact";
import type { Draw, Host } from "../mount";
import type { Payload } from "../payloads";
import type { AnyModel, Picture } from "../picture";
import { type BaseView, makeBaseView } from "../view";
import * as common from "../words/common";
import { Help, type Keys } from "./help";
import { Edge } from "./status";

/** How a view begins: its state from the model, its component from the state, in a root that wears its sheets. */
export const drawn =
  <S extends Picture<Payload>>(
    make: (model: AnyModel, host?: Host) => S,
    View: ComponentType<{ view: BaseView<S> }>,
    ...sheets: string[]
  ): Draw =>
  (model, root, ended, host) => {
    const state = make(model, host);
    return { state, element: <View view={makeBaseView(state, root, ended, sheets)} /> };
  };

/** A key of the view's own; whether it was one. */
export type OwnKey = (event: KeyboardEvent, typing: boolean) => boolean;

/** The view's own keys, then undo and redo where its sheet names them, `?` and Esc. None acts in a field but Esc. */
const keyOf = (view: BaseView, keys: Keys, own?: OwnKey) => (event: KeyboardEvent) => {
  const { state, help } = view;
  const { tagName, type } = event.composedPath()[0] as HTMLInputElement;
  const typing = tagName === "TEXTAREA" || (tagName === "INPUT" && type !== "range");
  const has = (name: string) => keys.some(([key]) => key === name);
  const undoes = has(common.undoText[0]) && (event.ctrlKey || event.metaKey) && state.live.value;
  if (own?.(event, typing)) {
    // Done.
  } else if (undoes && !typing && event.key.toLowerCase() === "z")
    state.requests.step(event.shiftKey ? "redo" : "undo");
  else if (event.key === "Escape" && help.value) help.value = false;
  else if (event.key === "?" && has("?") && !typing) help.value = !help.value;
  else return;
  event.preventDefault();
  event.stopPropagation();
};

interface Props {
  view: BaseView;
  /** Keys and what they do. */
  keys: Keys;
  note?: string;
  onKey?: OwnKey;
  /** What a screen reader hears of the picture. */
  heard?: ComponentChildren;
  wide?: boolean;
  /** A panel of an explorer reserves no height. */
  bare?: boolean;
  children: ComponentChildren;
}

export function Frame({ view, keys, note, onKey, heard, wide, bare, children }: Props) {
  const { state } = view;
  return (
    <div
      class={wide ? "w wide" : "w"}
      style={{ "min-height": bare || state.payload.value ? undefined : `${state.height}px` }}
      onKeyDown={keyOf(view, keys, onKey)}
    >
      <Edge view={view} />
      {children}
      <Help view={view} keys={keys} {...(note && { note })} />
      <div class="hear" role="status" aria-live="polite">
        {heard} {view.said}
      </div>
    </div>
  );
}
