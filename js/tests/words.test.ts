// The front end's English stands in `src/words`, and nowhere else.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fill } from "../src/fill";
import { english, sources, strays } from "./words";

test("the control fires", () => {
  for (const line of [
    "<p>Nothing yet.</p>",
    '<p>{a && "before"}</p>',
    '<b title="undo" />',
    'const a = "Save figure";',
    'say("The kernel does not answer.");',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text
    "const a = `${n} of ${m} left`;",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text
    "const a = `, control ${n}`;",
  ]) {
    assert.equal(english("a.tsx", line).length, 1, line);
  }
});

test("names and code are no English", () => {
  for (const line of [
    'import a from "Some Where";',
    'if (event.key === "ArrowLeft" || event.key === "Enter") go();',
    '<p class="sw sub" data-mark="a b" style="left: 1px" />',
    'matchMedia("(prefers-color-scheme: dark)");',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text
    "const a = `translate(${x}px, ${y}px)`;",
    'const kind: "ablate" | "Some Type" = "ablate";',
  ]) {
    assert.deepEqual(english("a.tsx", line), [], line);
  }
});

test("all English stands in src/words", () => {
  assert.deepEqual(strays(), []);
});

test("only words make a plural", () => {
  assert.deepEqual(
    sources()
      .filter(([, text]) => /\bplural\b/.test(text))
      .map(([path]) => path),
    [],
  );
});

test("a sentence takes its parts as they are", () => {
  assert.deepEqual(fill("control: {n} of {m}", { n: "{m}", m: 2 }), ["control: ", "{m}", " of ", 2, ""]);
});
