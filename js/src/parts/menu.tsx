// The menu: code, files, help. Files come from Python; without it a page can give its own payload.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { BaseView } from "../view";
import * as common from "../words/common";
import * as words from "../words/frame";

const FORMATS = ["html", "svg", "png", "pdf", "sae"] as const;
type Format = (typeof FORMATS)[number] | "json" | "ipynb";
const TYPES: Record<Format, string> = {
  json: "application/json",
  ipynb: "application/x-ipynb+json",
  html: "text/html",
  svg: "image/svg+xml",
  png: "image/png",
  pdf: "application/pdf",
  sae: "application/octet-stream",
};

/** Hand a file to the browser. */
function download(view: BaseView, name: string, type: string, data: BlobPart): void {
  const url = URL.createObjectURL(new Blob([data], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  view.root.append(link);
  link.click();
  link.remove();
  const free = () => URL.revokeObjectURL(url);
  const timer = setTimeout(free, 10_000);
  view.signal.addEventListener("abort", () => {
    clearTimeout(timer);
    free();
  });
}

export async function save(view: BaseView, format: Format): Promise<void> {
  const { state } = view;
  if (!state.live.value && format === "sae") {
    download(view, `${state.name}.sae`, TYPES.sae, state.content());
    return;
  }
  view.said.value = words.saving(format);
  try {
    const { result, buffers } = await state.requests.ask({ type: "save", format });
    const name = String((result as { name?: unknown } | null)?.name ?? `${state.name}.${format}`).replace(
      /[^\w.-]/g,
      "_",
    );
    download(view, name, TYPES[format], buffers[0] as BlobPart);
    view.said.value = words.saved(name);
  } catch (failure) {
    state.requests.failure.value = failure as { what: string; todo: string };
  }
}

/** Put the code that makes this view on the clipboard. */
async function copyCode(view: BaseView): Promise<void> {
  const code = view.state.payload.value?.context.code ?? "";
  try {
    await navigator.clipboard.writeText(code);
  } catch {
    // Without permission (an iframe, plain http) the old way still works.
    const area = document.createElement("textarea");
    area.value = code;
    view.root.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  view.said.value = words.codeCopied;
}

export interface Item {
  label: string;
  act: () => unknown;
  off: string;
}

function items(view: BaseView, full: boolean, more: readonly Format[], own: readonly Item[]): Item[] {
  const { state } = view;
  const why = state.live.value ? "" : common.needsModel;
  const code = {
    label: words.copyCode,
    act: () => copyCode(view),
    off: state.payload.value?.context.code ? "" : words.noCode,
  };
  const files = [...FORMATS, ...more].map((format) => ({
    label: words.saveAs(format.toUpperCase()),
    act: () => save(view, format),
    off: format === "sae" ? "" : why,
  }));
  const help = { label: common.keyboard, act: () => (view.help.value = true), off: "" };
  return full ? [code, ...own, ...files, help] : files;
}

export function CopyCode({ view }: { view: BaseView }) {
  return view.state.payload.value?.context.code ? (
    <button type="button" class="plain" onClick={() => copyCode(view)}>
      {words.copyCode}
    </button>
  ) : null;
}

/** A button with a list of actions. */
export function Menu({
  view,
  label,
  name,
  bare = false,
  full = false,
  more = [],
  own = [],
}: {
  view: BaseView;
  label: string;
  name: string;
  bare?: boolean;
  full?: boolean;
  /** Formats that only some views have. */
  more?: readonly Format[];
  /** What only this view does. */
  own?: readonly Item[];
}) {
  const open = useSignal(false);
  const box = useRef<HTMLSpanElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const close = (refocus: boolean) => {
    open.value = false;
    if (refocus) button.current?.focus();
  };
  useEffect(() => {
    if (!open.value) return;
    box.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const ended = new AbortController();
    const away = (event: Event) => {
      if (box.current && !event.composedPath().includes(box.current)) close(false);
    };
    document.addEventListener("pointerdown", away, { signal: ended.signal });
    return () => ended.abort();
  }, [open.value]);
  const move = (event: KeyboardEvent) => {
    if (!open.value) return;
    const all = [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const here = all.indexOf(event.composedPath()[0] as HTMLElement);
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (event.key === "Escape") close(true);
    else if (by) all[(here + by + all.length) % all.length]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <span class="menu" ref={box} onKeyDown={move}>
      <button
        ref={button}
        type="button"
        class={bare ? "btn bare" : "plain"}
        title={name}
        aria-label={name}
        aria-haspopup="menu"
        aria-expanded={open.value}
        onClick={() => (open.value = !open.value)}
      >
        {label}
      </button>
      {open.value && (
        <span class={full ? "pop" : "pop up"} role="menu" aria-label={name}>
          {items(view, full, more, own).map(({ label, act, off }) => (
            <button
              key={label}
              type="button"
              role="menuitem"
              tabIndex={-1}
              aria-disabled={off !== ""}
              onClick={() => {
                if (off) return;
                close(true);
                act();
              }}
            >
              {label} {off && <span class="q">{off}</span>}
            </button>
          ))}
        </span>
      )}
    </span>
  );
}
