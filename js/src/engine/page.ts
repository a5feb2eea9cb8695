// Starts a view in a page that carries its model; where that cannot be read, the picture stays as it was saved.
import type { Draw } from "../mount";
import { fromBase64, PageModel, start, textOf } from "../page";
import { LiveModel } from "./live";
import { type Header, read } from "./read";

/** Draw a heatmap whose requests are answered here. */
export function startLive(page: Document, view: string, draw: Draw): void {
  start(page, view, draw, (values) => {
    let header: Header;
    try {
      header = JSON.parse(textOf(page, "saewidgets-model")) as Header;
    } catch {
      return new PageModel(values);
    }
    const { seed: _, ...shown } = header.request;
    const load = () => read(header, fromBase64(textOf(page, "saewidgets-weights")));
    const model = new LiveModel([...values, ["live", true], ...Object.entries(shown)], load);
    // After the first picture: the first key stroke should not wait for it.
    setTimeout(() => model.warm(), 50);
    return model;
  });
}
