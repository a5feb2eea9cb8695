// Finds English in a source file: what a reader sees or hears, outside `src/words`.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ts from "typescript";

/** Attributes whose value is read by a person. */
const SPOKEN =
  /^(title|alt|placeholder|label|aria-(label|description|valuetext|roledescription|placeholder|brailleroledescription))$/;
/** Attributes that hold names and shapes. */
const SILENT = /^(class|style|d|id|key|role|type|href|viewBox|transform|for|points|preserveAspectRatio|data-.*)$/;
/** What looks like English and is none: keys of a keyboard as the browser names them, classes of the language. */
const NAME =
  /^(Arrow(Up|Down|Left|Right)?|Enter|Escape|Home|End|Page(Up|Down)|Tab|Delete|Backspace|Shift|Control|Meta|Alt|[A-Z][a-z0-9]+([A-Z][a-z0-9]+)+|Uint\d+Array|Int\d+Array|Float\d+Array)$/;
/** Selectors, media queries, fonts, shapes. */
const CODE = /^[.#:][\w-]+|^\(prefers|px\b|^(translate|rotate|scale|matrix)\(|^[MLHVZ] ?-?\d|^sw\.\w+\(?0|^change:/;
/** Names of our own that read like English: classes of a style sheet, a name of an error. */
const OURS = new Set(["blk cv", "filled 0", "was 0", "Refusal"]);

const sayings = (text: string): boolean =>
  !NAME.test(text) &&
  !CODE.test(text) &&
  !OURS.has(text) &&
  (/[A-Za-z]{2,}[,.;:)]? +[(“]?[A-Za-z]/.test(text) || /^[A-Z][a-z]+/.test(text));
/** A piece of a template, between values. */
const piece = (text: string): boolean => /(^|[ “(])[A-Za-z]{2,}[.,;:)” ]|[ “(,;][A-Za-z]{2,}$|^[A-Z][a-z]+/.test(text);

/** Whether what stands here becomes text of the page as it is. */
function isShown(node: ts.Node): boolean {
  let at = node.parent;
  let from: ts.Node = node;
  while (
    ts.isParenthesizedExpression(at) ||
    (ts.isConditionalExpression(at) && at.condition !== from) ||
    (ts.isBinaryExpression(at) && /^(&&|\|\||\?\?|\+)$/.test(at.operatorToken.getText()))
  ) {
    from = at;
    at = at.parent;
  }
  if (!ts.isJsxExpression(at)) return false;
  return !ts.isJsxAttribute(at.parent) || SPOKEN.test(at.parent.name.getText());
}

/** English in a source text: the line and the words of each. */
export function english(name: string, source: string): string[] {
  const kind = name.endsWith("x") ? ts.ScriptKind.TSX : ts.ScriptKind.TS;
  const file = ts.createSourceFile(name, source, ts.ScriptTarget.Latest, true, kind);
  const found: string[] = [];
  const report = (node: ts.Node, text: string) => {
    const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    found.push(`${name}:${line} ${text.trim().replace(/\s+/g, " ").slice(0, 100)}`);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node) || ts.isLiteralTypeNode(node)) return;
    if (ts.isJsxAttribute(node)) {
      const attribute = node.name.getText();
      if (SILENT.test(attribute)) return;
      const value = node.initializer;
      if (value && ts.isStringLiteral(value)) {
        if (SPOKEN.test(attribute) ? /[A-Za-z]{2}/.test(value.text) : sayings(value.text)) report(value, value.text);
        return;
      }
    }
    if (ts.isJsxText(node)) {
      if (/[A-Za-z]{2}/.test(node.text)) report(node, node.text);
    } else if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) {
      if (sayings(node.text) || (isShown(node) && /[A-Za-z]{2}/.test(node.text))) report(node, node.text);
    } else if (ts.isTemplateExpression(node)) {
      const pieces = [node.head.text, ...node.templateSpans.map((span) => span.literal.text)];
      const whole = pieces.join("0");
      if (!CODE.test(whole) && !OURS.has(whole) && pieces.some(piece)) report(node, node.getText());
      for (const span of node.templateSpans) visit(span.expression);
      return;
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** Path and text of the files below `src` that are neither words nor generated from Python. */
export function sources(): [string, string][] {
  const src = join(dirname(new URL(import.meta.url).pathname), "..", "..", "src");
  const files = (folder: string): string[] =>
    readdirSync(folder).flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? files(path) : [path];
    });
  return files(src)
    .map((path): [string, string] => [relative(src, path), path])
    .filter(([name]) => /\.tsx?$/.test(name) && !/^(words\/|payloads\.ts|records\.ts)/.test(name))
    .map(([name, path]) => [name, readFileSync(path, "utf8")]);
}

/** English in them. */
export const strays = (): string[] => sources().flatMap(([name, text]) => english(name, text));
