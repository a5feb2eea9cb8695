import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { LONGEST, type Message, QUIET, Requests, SILENT_AFTER, STALE_AFTER } from "../src/requests";

let sent: Message[] = [];
let requests: Requests;
let settled: boolean[] = [];

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  sent = [];
  settled = [];
  requests = new Requests(
    (message) => sent.push(message),
    (failed) => settled.push(failed),
    () => Date.now(),
  );
});

const answer = (message: Message | undefined, type = "ok") => requests.receive({ type, id: message?.id, result: null });
const prompts = () => sent.map((message) => (message.state as { prompt: string }).prompt);

test("one in flight and one pending, the newest wins", () => {
  for (const prompt of ["a", "ab", "abc", "abcd"]) {
    requests.run({ prompt }, true);
    mock.timers.tick(30);
  }
  mock.timers.tick(1000);
  assert.deepEqual(prompts(), ["a"]);
  answer(sent[0]);
  assert.deepEqual(prompts(), ["a", "abcd"]);
  answer(sent[1]);
  assert.equal(requests.busy.value, false);
  assert.deepEqual(settled, [false]);
});

test("200 key strokes in 10 s ask at most 12 times and end right", () => {
  for (let n = 1; n <= 200; n++) {
    requests.run({ prompt: "x".repeat(n) }, true);
    mock.timers.tick(50);
    if (requests.busy.value) answer(sent.at(-1));
  }
  mock.timers.tick(LONGEST);
  answer(sent.at(-1));
  assert.ok(sent.length <= 12, String(sent.length));
  assert.equal(prompts().at(-1), "x".repeat(200));
  assert.equal(requests.busy.value, false);
});

test("a burst goes with the first pause", () => {
  requests.run({ prompt: "a" }, true);
  answer(sent[0]);
  mock.timers.tick(30);
  requests.run({ prompt: "ab" }, true);
  mock.timers.tick(QUIET - 1);
  assert.equal(sent.length, 1);
  mock.timers.tick(1);
  assert.deepEqual(prompts(), ["a", "ab"]);
});

test("the first key stroke goes at once", () => {
  mock.timers.tick(1000);
  requests.run({ prompt: "a" }, true);
  assert.equal(sent.length, 1);
});

test("once the picture is there the next may go, though controls are still computed", () => {
  requests.run({ prompt: "a" });
  requests.run({ prompt: "b" });
  assert.deepEqual(prompts(), ["a"]);
  requests.pictured();
  assert.deepEqual(prompts(), ["a", "b"]);
});

test("stale after 150 ms, not before, and no more once the picture came", () => {
  requests.run({ prompt: "a" });
  mock.timers.tick(STALE_AFTER - 1);
  assert.equal(requests.stale.value, false);
  mock.timers.tick(1);
  assert.equal(requests.stale.value, true);
  requests.pictured();
  assert.equal(requests.stale.value, false);
});

test("cancel asks for the request in flight and drops the pending one", () => {
  requests.run({ prompt: "a" });
  requests.run({ prompt: "b" });
  requests.cancel();
  assert.deepEqual(sent.at(-1), { type: "cancel", id: sent[0]?.id });
  answer(sent[0], "cancelled");
  assert.equal(requests.busy.value, false);
  assert.deepEqual(settled, [true]);
});

test("errors are kept until the next request, those of replaced requests are not shown", () => {
  requests.run({ prompt: "a" });
  requests.run({ prompt: "b" });
  requests.receive({ type: "error", id: sent[0]?.id, what: "old", todo: "" });
  assert.equal(requests.failure.value, null);
  requests.receive({ type: "error", id: sent[1]?.id, what: "Too long.", todo: "Shorten it." });
  assert.deepEqual(requests.failure.value, { what: "Too long.", todo: "Shorten it." });
  requests.run({ prompt: "c" });
  assert.equal(requests.failure.value, null);
});

test("answers to strangers, twice or without sense change nothing", () => {
  requests.run({ prompt: "a" });
  for (const id of [null, undefined, "x", -1, (sent[0]?.id as number) + 1]) requests.receive({ type: "ok", id });
  requests.receive({});
  requests.receive({ type: "progress", id: 5, done: "x" });
  assert.equal(requests.busy.value, true);
  answer(sent[0]);
  answer(sent[0]);
  assert.deepEqual(settled, [false]);
});

test("progress of the request in flight, and of jobs that Python started", () => {
  requests.run({ prompt: "a" });
  requests.receive({ type: "progress", id: sent[0]?.id, done: 3, total: 20, note: "control" });
  assert.deepEqual(requests.progress.value, { done: 3, total: 20, note: "control" });
  requests.receive({ type: "progress", id: null, done: 4, total: 20, note: "" });
  assert.equal(requests.progress.value?.done, 4);
  answer(sent[0]);
  assert.equal(requests.progress.value, null);
});

test("a question has one answer", async () => {
  const found = requests.ask({ type: "search", query: "x" });
  requests.receive({ type: "ok", id: sent[0]?.id, result: { features: [] } });
  assert.deepEqual((await found).result, { features: [] });
  const refused = requests.ask({ type: "save", format: "x" });
  requests.receive({ type: "error", id: sent[1]?.id, what: "No.", todo: "" });
  await assert.rejects(refused, (failure: unknown) => (failure as { what: string }).what === "No.");
});

test("a silent kernel is reported, one that speaks is not", () => {
  requests.run({ prompt: "a" });
  mock.timers.tick(SILENT_AFTER - 1);
  requests.receive({ type: "progress", id: null });
  mock.timers.tick(SILENT_AFTER - 1);
  assert.equal(requests.silent.value, false);
  mock.timers.tick(1);
  assert.equal(requests.silent.value, true);
  answer(sent[0]);
  assert.equal(requests.silent.value, false);
});

test("a comm that is gone is reported at once", () => {
  const gone = new Requests(() => {
    throw new Error("closed");
  });
  gone.run({ prompt: "a" });
  assert.equal(gone.silent.value, true);
});

test("closing rejects what waits and stops the timers", async () => {
  const found = requests.ask({ type: "search" });
  requests.run({ prompt: "a" });
  requests.close();
  await assert.rejects(found);
  mock.timers.tick(60_000);
  assert.equal(requests.stale.value, false);
});
