// The keys, on one sheet.
import { useLayoutEffect, useRef } from "preact/hooks";
import { KEYS } from "../commands";
import type { View } from "../view";

export function Help({ view }: { view: View }) {
  const close = useRef<HTMLButtonElement>(null);
  const open = view.help.value;
  useLayoutEffect(() => {
    if (open) close.current?.focus();
  }, [open]);
  if (!open) return null;
  const done = () => {
    view.help.value = false;
    view.focusStrip();
  };
  return (
    <div class="pop help" role="dialog" aria-label="Keyboard">
      <h3>Keyboard</h3>
      <dl>
        {KEYS.map(([keys, words]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
      <p class="sub">Letters act while the strip has focus and the text is not being edited.</p>
      <button type="button" class="btn" ref={close} onClick={done}>
        Close
      </button>
    </div>
  );
}
