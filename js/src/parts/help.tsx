// The keys, on one sheet.
import { useLayoutEffect, useRef } from "preact/hooks";
import type { BaseView } from "../view";
import * as common from "../words/common";

/** Keys and what they do. */
export type Keys = readonly (readonly [string, string])[];

interface Props {
  view: BaseView;
  keys: Keys;
  note?: string;
}

export function Help({ view, keys, note }: Props) {
  const close = useRef<HTMLButtonElement>(null);
  const open = view.help.value;
  useLayoutEffect(() => {
    if (!open) return;
    const { activeElement: before } = view.root.getRootNode() as ShadowRoot;
    close.current?.focus();
    // Back to where it was; an entry of the menu is gone by then.
    return () => ((before?.isConnected ? before : view.root.querySelector("[tabindex='0']")) as HTMLElement)?.focus();
  }, [open]);
  if (!open) return null;
  return (
    <div class="pop help" role="dialog" aria-label={common.keyboard}>
      <h3>{common.keyboard}</h3>
      <dl>
        {keys.map(([keys, does]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      {note && <p class="sub">{note}</p>}
      <button type="button" class="btn" ref={close} onClick={() => (view.help.value = false)}>
        {common.close}
      </button>
    </div>
  );
}
