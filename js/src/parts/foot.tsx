// The foot: where the numbers come from, and the way out.
import type { ComponentChildren } from "preact";
import { plain } from "../signs";
import { type BaseView, disabledReason } from "../view";
import * as common from "../words/common";
import { CopyCode, Menu } from "./menu";

interface Props {
  view: BaseView;
  /** Whether a live view can be changed: a saved one then says why it cannot. */
  editable?: boolean;
  children?: ComponentChildren;
}

export function Foot({ view, editable = false, children }: Props) {
  const { state } = view;
  const payload = state.payload.value;
  if (!payload) return null;
  const { context } = payload;
  const reason = editable && !state.live.value ? disabledReason(state) : "";
  return (
    <div class="foot">
      <span>
        {[context.model, context.dictionaries]
          .filter(Boolean)
          .map((text) => plain(text))
          .join(" · ")}
      </span>
      {children}
      {reason && <span>{reason}</span>}
      <span class="sp" />
      <CopyCode view={view} />
      <Menu view={view} label={common.saveFigure} name={common.saveFigure} />
    </div>
  );
}
