// The foot: where the numbers come from, and the way out.
import type { ComponentChildren } from "preact";
import type { Context } from "../payloads";
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

/** What the numbers hold under; `error` where the foot is to say what became of the error term. */
export function Conditions({ context, error }: { context: Context; error?: string | undefined }) {
  return (
    <>
      {error && <span>{common.errorTermOf(error)}</span>}
      <span>{common.propagationOf(plain(context.propagation))}</span>
      <span>{common.seedOf(context.seed)}</span>
    </>
  );
}
