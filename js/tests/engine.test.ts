// The model behind a live page: messages as a kernel answers them, undo, random numbers. Numbers of runs: tests/engine.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "../src/decode";
import { History } from "../src/engine/history";
import { LiveModel } from "../src/engine/live";
import { Generator } from "../src/engine/random";
import { type Engine, type Header, read } from "../src/engine/read";
import { general } from "../src/engine/said";
import { ALPHABET } from "../src/engine/tokenizer";
import { HEATMAP } from "../src/kinds/heatmap";

type Message = Record<string, unknown>;

/** A model of one block and width 16, with one dictionary of 8 features. */
function tiny(): Engine {
  const shapes: [string, number[]][] = [
    ["embed", [256, 16]],
    ["norm", [16]],
    ["frequencies", [4]],
    ...["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"].map(
      (name) => [`layer0.${name}`, [16, 16]] as [string, number[]],
    ),
    ["layer0.input_layernorm", [16]],
    ["layer0.post_attention_layernorm", [16]],
    ["0.encoder", [8, 16]],
    ["0.decoder", [8, 16]],
    ["0.b_enc", [8]],
    ["0.b_dec", [16]],
  ];
  const tensors: Header["tensors"] = [];
  const draw = new Generator(1);
  const parts: number[] = [];
  for (const [name, shape] of shapes) {
    tensors.push({ name, dtype: "float32", shape, offset: parts.length * 4 });
    for (const value of draw.normal(
      Math.max(
        16,
        shape.reduce((a, b) => a * b),
      ),
    ))
      parts.push(value);
  }
  const header: Header = {
    name: "tiny",
    version: "1",
    model: { layers: 1, heads: 2, groups: 2, width: 8, eps: 1e-5, context: 12 },
    tokenizer: {
      names: [...ALPHABET],
      merges: [],
      whole: false,
      patterns: [],
      space: false,
      added: [],
      special: [],
      first: [],
      last: [],
      bos: null,
      prepend: null,
    },
    dictionaries: [
      {
        key: "resid_post.0",
        site_in: "resid_post.0",
        site_out: "resid_post.0",
        architecture: "relu",
        words: "ReLU",
        activation: { kind: "relu", k: null, rectify: true },
        norm: { kind: "none", factor: 1, eps: 0 },
      },
    ],
    labels: { "resid_post.0/3": "boats" },
    request: { prompt: "a boat", features: ["resid_post.0/3"], edits: [], error_term: "kept", seed: 0 },
    tensors,
  };
  return read(header, new Uint8Array(Float32Array.from(parts).buffer));
}

function open(load = tiny): { model: LiveModel; said: Message[]; until: (id: number) => Promise<Message> } {
  const model = new LiveModel([["_revision", 1]], load);
  const said: Message[] = [];
  const waiting = new Map<unknown, (message: Message) => void>();
  model.on("msg:custom", (message) => {
    const last = message as Message;
    said.push(last);
    if (last.type !== "progress") waiting.get(last.id)?.(last);
  });
  const until = (id: number) => new Promise<Message>((resolve) => waiting.set(id, resolve));
  return { model, said, until };
}

const run = (id: number, state: Message) => ({ type: "run", id, state });
const edit = (value: number) => ({ kind: "scale", feature: "resid_post.0/3", value, positions: null, error: "keep" });
const picture = (model: LiveModel) => decode(model.get("_payload") as Uint8Array, HEATMAP);

test("a run publishes a picture, then its control, then says so", async () => {
  const { model, said, until } = open();
  model.send(run(1, { prompt: "boats", edits: [edit(0.5)] }));
  assert.equal((await until(1)).type, "ok");
  assert.equal(model.get("_revision"), 3);
  assert.equal(said.filter(({ type }) => type === "progress").length, 16);
  assert.equal(model.get("prompt"), "boats");
  const { control, n_edits, tokens } = picture(model);
  assert.equal(tokens.text.join(""), "boats");
  assert.equal(n_edits, 1);
  assert.equal(control?.n, 8);
});

test("a newer wish takes the place of an older one", async () => {
  const { model, said, until } = open();
  model.send(run(1, { prompt: "one", edits: [edit(0.5)] }));
  model.send(run(2, { prompt: "two" }));
  await until(2);
  assert.deepEqual(
    said.filter(({ type }) => type !== "progress").map(({ type, id }) => [type, id]),
    [
      ["cancelled", 1],
      ["ok", 2],
    ],
  );
  assert.equal(picture(model).prompt, "two");
});

test("what is refused leaves the picture and the wishes as they were", async () => {
  const { model, until } = open();
  model.send(run(1, { prompt: "one" }));
  await until(1);
  const before = model.get("_payload");
  const cases: [Message, RegExp][] = [
    [{ prompt: "" }, /The prompt is empty/],
    [{ prompt: "a".repeat(13) }, /13 tokens; this model reads 12/],
    [{ features: ["resid_post.0/8"] }, /There is no feature resid_post.0\/8/],
    [{ edits: [{ ...edit(2), positions: [5] }] }, /Position 5 is outside the prompt/],
  ];
  let id = 1;
  for (const [state, what] of cases) {
    id += 1;
    model.send(run(id, state));
    const message = await until(id);
    assert.equal(message.type, "error");
    assert.match(String(message.what), what);
    assert.equal(model.get("_payload"), before);
    assert.equal(model.get("prompt"), "one");
  }
  model.send(run(9, { prompt: "two" }));
  assert.equal((await until(9)).type, "ok");
  assert.equal(model.get("error"), null);
});

test("undo and redo step through features and edits, not through the text", async () => {
  const { model, until } = open();
  model.send(run(1, { edits: [edit(0.5)] }));
  await until(1);
  model.send(run(2, { edits: [edit(0.5)], prompt: "two" }));
  await until(2);
  assert.deepEqual([model.get("undo_depth"), model.get("redo_depth")], [1, 0]);
  model.send({ type: "undo", id: 3 });
  await until(3);
  assert.deepEqual([model.get("undo_depth"), model.get("redo_depth")], [0, 1]);
  assert.deepEqual(model.get("edits"), []);
  assert.equal(model.get("prompt"), "two");
  model.send({ type: "redo", id: 4 });
  await until(4);
  assert.deepEqual(model.get("edits"), [edit(0.5)]);
});

test("cancel keeps what is shown", async () => {
  const { model, until } = open();
  model.send(run(1, { prompt: "one" }));
  await until(1);
  model.send(run(2, { prompt: "two" }));
  model.send({ type: "cancel", id: 2 });
  assert.equal((await until(2)).type, "cancelled");
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(picture(model).prompt, "one");
  assert.equal(model.get("prompt"), "one");
});

test("a search finds numbers and words of labels", async () => {
  const { model, until } = open();
  for (const [id, query] of [
    [1, "3"],
    [2, "BOAT"],
    [3, "resid_post.0/3"],
  ] as const) {
    model.send({ type: "search", id, query, site: "resid_post.0" });
    assert.deepEqual((await until(id)).result, { features: [{ id: "resid_post.0/3", label: "boats" }] });
  }
});

test("a model that cannot be read is said when something is asked", async () => {
  const { model, until } = open(() => {
    throw new Error("torn");
  });
  model.warm();
  model.send(run(1, { prompt: "one" }));
  assert.match(String((await until(1)).what), /torn/);
});

test("weights outside the page are refused", () => {
  const engine = () =>
    read({ ...({ tensors: [{ name: "x", dtype: "float16", shape: [9], offset: 8 }] } as Header) }, new Uint8Array(16));
  assert.throws(engine, /outside the page/);
});

test("a dragged slider is one step", () => {
  const start = History.of({ features: [], edits: [] });
  const of = (value: number) => ({
    features: [],
    edits: [{ ...edit(value), kind: "scale" as const, error: "keep" as const }],
  });
  const dragged = start.record(of(0.5), 0).record(of(0.4), 100).record(of(0.3), 500);
  assert.equal(dragged.undoDepth, 1);
  assert.deepEqual(dragged.step(-1).state.edits, []);
  assert.equal(dragged.record(of(0.2), 2000).undoDepth, 2);
  let long = start;
  for (let i = 0; i < 300; i++) long = long.record(of(i), i * 1000);
  assert.equal(long.undoDepth, 99);
});

test("random numbers are torch's", () => {
  // torch.Generator().manual_seed(0): randint(1000, (1,)) three times; randn(16) of seed 3, first and last.
  const draw = new Generator(0);
  assert.deepEqual([draw.below(1000), draw.below(1000), draw.below(1000)], [44, 239, 933]);
  const values = new Generator(3).normal(16);
  for (const [at, value] of [
    [0, -0.076644],
    [15, 0.416331],
  ] as const)
    assert.ok(Math.abs((values[at] as number) - value) < 1e-5);
});

test("numbers on chips are written as Python writes them", () => {
  const cases: [number, string][] = [
    [1.5, "1.5"],
    [0, "0"],
    [4, "4"],
    [-0.125, "-0.125"],
    [1234.5, "1.23e+03"],
    [999.6, "1e+03"],
    [0.00001234, "1.23e-05"],
    [0.0001, "0.0001"],
    [123.456, "123"],
  ];
  for (const [value, text] of cases) assert.equal(general(value), text);
});
