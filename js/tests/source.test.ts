// What our source must not contain: ways from a text to markup, code or a style sheet.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const js = join(dirname(new URL(import.meta.url).pathname), "..", "..");
const FORBIDDEN =
  /\b(innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|setHTMLUnsafe|parseFromString|createContextualFragment|srcdoc|cssText)\b|\bdocument\.write|\beval\s*\(|\bnew Function\b|\bFunction\s*\(|setAttribute\(\s*["'](style|on)|https?:\/\/|\blocalStorage\b|\bfetch\s*\(/;

/** Bytes of each view's page. */
const PAGES = {
  heatmap: 116_200,
  heatmap_live: 144_800,
  training: 82_400,
  frontier: 87_300,
  dictionary_report: 77_800,
  feature_dashboard: 102_200,
  feature_table: 137_000,
  steering: 98_700,
  patch_map: 90_700,
  contrast: 91_000,
  circuit: 132_900,
  explorer: 235_500,
  compare: 124_000,
};

const files = (folder: string): string[] =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });

test("the control fires", () => {
  for (const line of [
    "a.innerHTML = x",
    "eval (x)",
    "new Function(x)",
    "<p dangerouslySetInnerHTML={x} />",
    "el.outerHTML",
  ]) {
    assert.match(line, FORBIDDEN);
  }
});

test("text reaches the page as text only", () => {
  const sources = files(join(js, "src"));
  assert.ok(sources.length > 30);
  for (const path of sources) assert.doesNotMatch(readFileSync(path, "utf8"), FORBIDDEN, path);
});

test("the built files are small and point nowhere", () => {
  const built = (name: string) => readFileSync(join(js, "..", "saewidgets", "static", name));
  const sent = (...names: string[]) =>
    names.reduce((sum, name) => sum + gzipSync(built(`${name}.js`), { level: 9 }).length, 0);
  assert.ok(sent("live", "live-heatmap") <= 43_800, "the code of a heatmap, gzipped");
  assert.ok(sent("live-views") <= 83_400, "what the first other view adds, gzipped");
  assert.ok(sent("widget") <= 123_000, "widget.js, of all views, gzipped");
  for (const [view, most] of Object.entries(PAGES)) {
    assert.ok(built(`page-${view}.js`).length <= most, `page-${view}.js, so that an exported page stays below 250 kB`);
  }
  assert.ok(built("shim.js").length <= 1_500, "shim.js, one copy a widget");
  for (const name of [
    ...["widget", "shim", "live", "live-heatmap", "live-views"].map((part) => `${part}.js`),
    ...Object.keys(PAGES).map((view) => `page-${view}.js`),
  ]) {
    const urls =
      built(name)
        .toString()
        .match(/https?:\/\/[^"'`\s)]+/g) ?? [];
    assert.deepEqual(
      urls.filter((url) => !url.startsWith("http://www.w3.org/")),
      [],
      name,
    );
  }
});
