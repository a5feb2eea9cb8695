// Style sheets of a view's own root: one of each in a page, shared by all widgets that wear it.

/** What one page shares among all widgets, whichever copy of the bundle drew them. */
interface Shared {
  sheets?: Map<string, CSSStyleSheet>;
}
const KEY = Symbol.for("saewidgets");

function sheetOf(text: string): CSSStyleSheet {
  const home = globalThis as unknown as Record<symbol, Shared | undefined>;
  home[KEY] ??= {};
  home[KEY].sheets ??= new Map();
  const { sheets } = home[KEY];
  let sheet = sheets.get(text);
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    sheets.set(text, sheet);
  }
  return sheet;
}

/**
 * Gives the shadow root around `element` these sheets, but for those that it has; nothing to an element outside one.
 * Those that it has win over them.
 */
export function wear(element: HTMLElement, texts: readonly string[]): void {
  const root = element.getRootNode() as ShadowRoot;
  try {
    root.adoptedStyleSheets = [...new Set([...texts.map(sheetOf), ...root.adoptedStyleSheets])];
  } catch {
    for (const text of texts) {
      const style = document.createElement("style");
      style.textContent = text;
      element.before(style);
    }
  }
}
