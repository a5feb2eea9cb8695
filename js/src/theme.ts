// Light or dark as the host says, whichever host it is; follows when the host switches.

const dark = (value: string | null | undefined): boolean | null =>
  value ? (/dark|night|mocha/i.test(value) ? true : /light|day/i.test(value) ? false : null) : null;

/** Whether the host is dark; the host's own word goes before the system's. */
export function hostIsDark(element: Element): boolean {
  const { body, documentElement: html } = element.ownerDocument;
  const jupyter = body.getAttribute("data-jp-theme-light");
  if (jupyter) return jupyter === "false";
  const code = body.getAttribute("data-vscode-theme-kind");
  if (code) return /dark|high-contrast$/.test(code);
  const named =
    dark(html.getAttribute("theme")) ??
    dark(element.closest("[data-theme]")?.getAttribute("data-theme")) ??
    dark(element.closest("[data-bs-theme]")?.getAttribute("data-bs-theme")) ??
    dark(body.getAttribute("data-theme"));
  if (named !== null) return named;
  if (element.closest(".dark, .dark-theme")) return true;
  if (element.closest(".light, .light-theme")) return false;
  return element.ownerDocument.defaultView?.matchMedia?.("(prefers-color-scheme: dark)").matches ?? false;
}

/** Calls `set` now and whenever the host's theme changes, until `signal` aborts. */
export function followHost(element: Element, set: (dark: boolean) => void, signal: AbortSignal): void {
  const update = () => set(hostIsDark(element));
  update();
  const { body, documentElement, defaultView } = element.ownerDocument;
  const observer = new MutationObserver(update);
  const attributeFilter = [
    "class",
    "theme",
    "data-theme",
    "data-bs-theme",
    "data-jp-theme-light",
    "data-vscode-theme-kind",
  ];
  for (const node of [body, documentElement]) observer.observe(node, { attributes: true, attributeFilter });
  const query = defaultView?.matchMedia?.("(prefers-color-scheme: dark)");
  query?.addEventListener("change", update, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
}
