// Builds the files that Python ships in saewidgets/static; `--tests` bundles the tests for `node --test`.
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

// Style sheets become strings: the views put them into their own shadow root.
const css = {
  name: "css",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true });
      return { contents: code, loader: "text" };
    }),
};

const common = {
  absWorkingDir: here,
  bundle: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  plugins: [css],
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
};

if (process.argv.includes("--tests")) {
  const files = readdirSync(join(here, "tests")).filter(
    (name) => name.endsWith(".test.ts") || name.endsWith(".test.tsx"),
  );
  await build({
    ...common,
    entryPoints: files.map((name) => join("tests", name)),
    outdir: "dist/tests",
    outExtension: { ".js": ".mjs" },
    platform: "node",
    packages: "external",
    sourcemap: "inline",
  });
} else {
  const out = join(here, "..", "saewidgets", "static");
  // One page a view: an exported page carries no other view's code.
  const pages = readdirSync(join(here, "src", "pages")).map((name) => [
    `page-${name.replace(/\.ts$/, "")}`,
    `src/pages/${name}`,
  ]);
  const entries = { widget: "src/widget.ts", shim: "src/shim.ts", ...Object.fromEntries(pages) };
  await build({ ...common, entryPoints: entries, outdir: out, minify: true });
  // For hosts that fetch the code: what both files import is in one third file, `live.js`.
  await build({
    ...common,
    entryPoints: { "live-heatmap": "src/heatmap.ts", "live-views": "src/widget.ts" },
    outdir: out,
    minify: true,
    splitting: true,
    chunkNames: "live",
  });
}
