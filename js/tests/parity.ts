// A program for tests/web/test_engine.py: runs the engine of live pages on cases that Python wrote, and writes what it finds.
// `node parity.mjs FOLDER`: reads header.json, weights.bin and cases.json; writes logits.bin, runs.json and n.sae.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encode } from "../src/encode";
import { bands } from "../src/engine/control";
import { answer, payloadOf, type Request } from "../src/engine/picture";
import { read } from "../src/engine/read";
import { HEATMAP } from "../src/kinds/heatmap";

const folder = process.argv[2] ?? "";
const text = (name: string) => JSON.parse(readFileSync(join(folder, name), "utf8"));
const raw = readFileSync(join(folder, "weights.bin"));
const engine = read(text("header.json"), Uint8Array.from(raw));
const cases = text("cases.json") as { request: Request; control: boolean; payload: boolean }[];

const logits: Uint8Array[] = [];
const runs = cases.map(({ request, control, payload }, n) => {
  const made = answer(engine, request, null);
  const { data } = (made.edited ?? made.base).logits;
  logits.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  if (payload) {
    const { model, dictionaries } = engine;
    const work = bands(model, dictionaries, made.base, made.steps, made.positions, made.words, request.seed);
    let band = null;
    if (control) {
      let step = work.next();
      while (!step.done) step = work.next();
      band = step.value;
    }
    writeFileSync(join(folder, `${n}.sae`), encode(payloadOf(engine, made, band, 0), HEATMAP));
  }
  const seen = [...(made.edited ?? made.base).seen].map(([key, { index }]) => [key, index]);
  return { ids: made.base.ids, features: Object.fromEntries(seen), words: made.words };
});
writeFileSync(join(folder, "logits.bin"), Buffer.concat(logits));
writeFileSync(join(folder, "runs.json"), JSON.stringify(runs));
