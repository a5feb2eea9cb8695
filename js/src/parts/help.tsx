// The keys, on one sheet.
import { useLayoutEffect, useRef } from "preact/hooks";
import type { BaseView } from "../view";

/** `?` and Esc, in any view that has a help. */
export function helpKey(view: BaseView): (event: KeyboardEvent) => void {
  return (event) => {
    const { tagName, type } = event.composedPath()[0] as HTMLInputElement;
    const typing = tagName === "INPUT" && type !== "range";
    if (event.key === "Escape" && view.help.value) view.help.value = false;
    else if (event.key === "?" && !typing) view.help.value = !view.help.value;
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
}

interface Props {
  view: BaseView;
  /** Keys and what they do. */
  keys: readonly (readonly [string, string])[];
  note?: string;
  /** Where the focus goes afterwards. */
  back: () => void;
}

export function Help({ view, keys, note, back }: Props) {
  const close = useRef<HTMLButtonElement>(null);
  const open = view.help.value;
  useLayoutEffect(() => {
    if (open) close.current?.focus();
  }, [open]);
  if (!open) return null;
  const done = () => {
    view.help.value = false;
    back();
  };
  return (
    <div class="pop help" role="dialog" aria-label="Keyboard">
      <h3>Keyboard</h3>
      <dl>
        {keys.map(([keys, words]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
      {note && <p class="sub">{note}</p>}
      <button type="button" class="btn" ref={close} onClick={done}>
        Close
      </button>
    </div>
  );
}
