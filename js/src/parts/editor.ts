// Editing in place: a hidden text area takes keys, pastes and input methods; the strip draws its text, caret and selection.
import { piled } from "../signs";
import type { View } from "../view";
import * as common from "../words/common";
import * as words from "../words/heatmap";
import type { Lines } from "./lines";
import { node } from "./token";

export class Editor {
  /** Where the tokens go: the part's tab stop. */
  readonly lines = node("div", "tokens");
  readonly area = node("textarea", "keys");
  #caret = node("span", "caret");
  #ranges = node("span", "ranges");
  #strip: Lines | null = null;
  #composing = false;
  #frame = 0;
  /** The selection that is drawn. */
  #drawn = "";
  #ended = new AbortController();

  constructor(
    private readonly view: View,
    root: HTMLElement,
  ) {
    const { lines, area } = this;
    lines.tabIndex = 0;
    lines.dataset.strip = "";
    lines.setAttribute("role", "listbox");
    lines.setAttribute("aria-label", common.tokensOfPrompt);
    area.setAttribute("aria-label", common.prompt);
    area.tabIndex = -1;
    area.spellcheck = false;
    area.setAttribute("autocapitalize", "off");
    this.#caret.hidden = true;
    root.append(this.#ranges, lines, this.#caret, area);
    this.#listen();
  }

  attach(strip: Lines): void {
    this.#strip = strip;
  }

  close(): void {
    this.#ended.abort();
    cancelAnimationFrame(this.#frame);
  }

  /** Start editing with the caret before character `offset`. */
  open(offset: number): void {
    const { area, view } = this;
    if (piled(view.state.draft.value.prompt)) {
      view.state.requests.failure.value = { what: words.cannotEditMarks, todo: words.setPromptInPython };
      return;
    }
    if (!view.editing.value) area.value = view.state.draft.value.prompt;
    view.editing.value = true;
    area.focus({ preventScroll: true });
    area.setSelectionRange(offset, offset);
    this.#follow();
  }

  /** The strip was drawn again: the caret goes where its character went. */
  shown(selected: HTMLElement | null): void {
    if (selected) {
      if (!selected.id) selected.id = `t${Math.random().toString(36).slice(2)}`;
      this.lines.setAttribute("aria-activedescendant", selected.id);
    } else this.lines.removeAttribute("aria-activedescendant");
    if (!this.view.editing.value) return;
    const prompt = this.view.state.draft.value.prompt;
    if (!this.#composing && !this.view.state.requests.busy.value && this.area.value !== prompt) {
      const at = this.area.selectionStart;
      this.area.value = prompt;
      this.area.setSelectionRange(at, at);
    }
    this.#place();
    // Once the picture is there: this tells Python.
    queueMicrotask(() => this.#selectToken());
  }

  #listen(): void {
    const { area } = this;
    const options = { signal: this.#ended.signal };
    area.addEventListener("compositionstart", () => (this.#composing = true), options);
    area.addEventListener(
      "compositionend",
      () => {
        this.#composing = false;
        this.#typed();
      },
      options,
    );
    area.addEventListener("input", () => this.#typed(), options);
    area.addEventListener("keydown", (event) => this.#key(event), options);
    for (const name of ["keyup", "select", "selectionchange"])
      area.addEventListener(name, () => this.#follow(), options);
    area.addEventListener("blur", () => this.#leave(), options);
    this.lines.addEventListener("copy", (event) => this.#copy(event), options);
    new ResizeObserver(() => this.view.editing.value && this.#place()).observe(this.lines);
  }

  #typed(): void {
    const { state } = this.view;
    if (this.#composing) state.draft.value = { ...state.draft.value, prompt: this.area.value };
    else state.want({ prompt: this.area.value }, true);
    this.#follow();
  }

  #key(event: KeyboardEvent): void {
    event.stopPropagation();
    if (event.isComposing || this.#composing) return;
    const { area } = this;
    if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey)) {
      event.preventDefault();
      this.view.focusStrip();
    } else if (event.key === "ArrowUp" || event.key === "ArrowDown" || event.key === "Home" || event.key === "End") {
      if (event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.#move(event.key, event.shiftKey);
    } else requestAnimationFrame(() => area.isConnected && this.#follow());
  }

  /** Lines of the strip are not lines of the text area: these moves are ours. */
  #move(key: string, extend: boolean): void {
    const strip = this.#strip;
    if (!strip) return;
    const { area } = this;
    const backward = area.selectionDirection === "backward";
    const [head, anchor] = backward
      ? [area.selectionStart, area.selectionEnd]
      : [area.selectionEnd, area.selectionStart];
    const place = strip.place(head);
    const base = strip.root.getBoundingClientRect();
    const middle = base.top + place.y + place.height / 2;
    const pitch = strip.pitch();
    const x = key === "Home" ? base.left - 1 : key === "End" ? base.right + 1 : base.left + place.x;
    const y = middle + (key === "ArrowDown" ? pitch : key === "ArrowUp" ? -pitch : 0);
    const to = y < base.top ? 0 : strip.offsetAt(x, y);
    const from = extend ? anchor : to;
    area.setSelectionRange(Math.min(from, to), Math.max(from, to), to < from ? "backward" : "forward");
    this.#follow();
  }

  #leave(): void {
    const { view } = this;
    if (!view.editing.value) return;
    view.editing.value = false;
    this.#drawn = "";
    this.#caret.hidden = true;
    this.#ranges.replaceChildren();
    const { state } = view;
    // A text that was refused is dropped: the picture shows the last good one.
    const shown = state.payload.value?.prompt;
    if (!state.requests.busy.value && shown !== undefined && state.draft.value.prompt !== shown) {
      state.draft.value = { ...state.draft.value, prompt: shown };
    }
  }

  /** Several events tell of each key: a frame for nothing would be in the way of the picture that answers it. */
  #follow(): void {
    if (this.#drawn !== this.#selection()) this.#place();
    this.#selectToken();
  }

  #selection(): string {
    const { selectionStart, selectionEnd, selectionDirection } = this.area;
    return `${selectionStart} ${selectionEnd} ${selectionDirection}`;
  }

  /** The predictions follow the caret: they are those after the token before it, once that has been read. */
  #selectToken(): void {
    const at = this.area.selectionEnd;
    const cells = this.#strip?.cells ?? [];
    const cell = cells.filter(({ start, end }) => end <= at || start < at).at(-1) ?? cells[0];
    if (cell && cell.token >= 0 && this.view.editing.value) this.view.state.select(cell.token);
  }

  /** Before the next paint: measuring at once would lay the whole page out in the middle of an update. */
  #place(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw(): void {
    const strip = this.#strip;
    if (!strip || !this.view.editing.value) return;
    const { area } = this;
    const { selectionStart: start, selectionEnd: end } = area;
    this.#drawn = this.#selection();
    const head = strip.place(area.selectionDirection === "backward" ? start : end);
    this.#caret.hidden = false;
    for (const element of [this.#caret, area]) {
      element.style.setProperty("left", `${head.x}px`);
      element.style.setProperty("top", `${head.y}px`);
      element.style.setProperty("height", `${head.height}px`);
    }
    const marks: Node[] = [];
    if (end > start) {
      for (const cell of strip.cells) {
        if (cell.end <= start || cell.start >= end) continue;
        const left = strip.place(Math.max(start, cell.start));
        const right = strip.place(Math.min(end, cell.end));
        const mark = node("span", "range");
        const from = left.y === right.y && left.x < right.x ? left.x : 0;
        mark.style.setProperty("left", `${from}px`);
        mark.style.setProperty("top", `${right.y}px`);
        mark.style.setProperty("width", `${Math.max(2, right.x - from)}px`);
        mark.style.setProperty("height", `${right.height}px`);
        marks.push(mark);
      }
    }
    this.#ranges.replaceChildren(...marks);
  }

  /** Copying a selection of tokens copies the prompt's own characters, not their drawing. */
  #copy(event: ClipboardEvent): void {
    const strip = this.#strip;
    const root = this.lines.getRootNode() as Document & { getSelection?: () => Selection | null };
    const selection = root.getSelection?.() ?? document.getSelection();
    const payload = this.view.state.payload.value;
    if (!strip || !selection || selection.isCollapsed || !payload) return;
    const text = strip.cells
      .filter((_, i) => selection.containsNode(strip.elements[i] as Node, true))
      .map((cell) => payload.prompt.slice(cell.start, cell.end))
      .join("");
    event.clipboardData?.setData("text/plain", text);
    event.preventDefault();
  }
}
