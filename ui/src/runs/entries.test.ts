import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { RunEvent } from "../api/types";
import type { Entry } from "../graph/entry";
import { executionsOf, logReader, nameParts } from "./entries";
import { entriesSeen, keptStates, statesOf } from "./entryStates";

const LOGS = new URL("../../../crates/engine/tests/logs/", import.meta.url);
const read = (name: string) => readFileSync(new URL(name, LOGS), "utf8");

/** What the engine's own tests record of a workflow in which everything happens that can. */
const STEPS = JSON.parse(read("8_workflow.json")) as Entry[];
const LOG = read("8_workflow.jsonl")
  .trim()
  .split("\n")
  .map((line, at) => ({ ...JSON.parse(line), seq: at + 1, run_id: "r1" }) as RunEvent);

/** The log up to the first event of this type that is about this step. */
function until(type: string, step: string): RunEvent[] {
  const end = LOG.findIndex((it) => it.type === type && (it.data.step ?? it.data.timer_id) === step);
  expect(end, `${type} ${step}`).toBeGreaterThan(0);
  return LOG.slice(0, end + 1);
}

const NOW = new Date("2026-12-01T00:00:30Z");
const statesAt = (events: readonly RunEvent[], isOver = false) =>
  statesOf(STEPS, executionsOf(events), isOver, NOW);

test("a name says the entry and the turn", () => {
  expect(nameParts("fetch")).toEqual({ entry: "fetch", turn: null });
  expect(nameParts("each[3].again[0].send")).toEqual({ entry: "send", turn: "each[3].again[0]" });
});

test("before anything has begun all is to come", () => {
  expect(statesAt(LOG.slice(0, 1))).toEqual({});
});

test("an entry that failed and is tried again waits, and says until when", () => {
  const states = statesAt(until("timer.set", "fetch"));
  expect(states.fetch).toEqual({ status: "waiting", detail: expect.stringMatching(/^again at .+:01$/) });
  expect(states.code).toEqual({ status: "done", detail: "5 ms" });
  expect(states.both).toBeUndefined();
  expect(statesAt(until("step.started", "both")).fetch).toEqual({
    status: "done",
    detail: "5 ms, 2 attempts",
  });
});

test("in turns the newest counts, and a case that is not taken is skipped", () => {
  const states = statesAt(until("step.started", "each[1].nested"));
  expect(states.ask).toEqual({ status: "running" });
  expect(states.each).toEqual({ status: "running", turns: 2 });
  expect(states.send).toMatchObject({ status: "running", turns: 2 });
  expect(states.odd).toMatchObject({ status: "running", turns: 1, detail: "case 1" });
  expect(states.nested).toEqual({ status: "running", turns: 1 });
  expect(states.plain).toEqual({ status: "skipped" });
  expect(states.again).toBeUndefined();
});

test("what is taken in another turn is not skipped, and no part is named", () => {
  const states = statesAt(until("step.finished", "each"));
  expect(states.each).toEqual({ status: "done", turns: 3, detail: "25 ms" });
  expect(states.plain).toMatchObject({ status: "done", turns: 2 });
  expect(states.odd).toEqual({ status: "done", turns: 3 });
});

test("whoever sleeps says when he wakes, and what is around him waits with him", () => {
  const events = until("timer.set", "again[0].nap");
  const { nap, until: other, again, both, ask } = statesAt(events);
  expect(nap).toEqual({ status: "waiting", turns: 1, detail: expect.stringMatching(/^wakes at /) });
  expect(other).toMatchObject({ status: "waiting" });
  expect([again?.status, both?.status, ask?.status]).toEqual(["waiting", "waiting", "done"]);
});

test("whoever waits for an event names it, and whoever asks says so", () => {
  const begun = until("step.started", "come");
  expect(statesAt(begun).come).toEqual({ status: "running" });
  const waiting = LOG.slice(0, begun.length + 1);
  expect(executionsOf(waiting).all.get("come")?.waits).toEqual({ kind: "event", name: "payment", key: "k" });
  expect(statesAt(waiting).come).toEqual({ status: "waiting", detail: "waits for payment" });
  expect(statesAt(until("step.finished", "late")).late).toEqual({ status: "failed", detail: "1.0 s" });
  expect(statesAt(until("approval.requested", "ok")).ok).toEqual({
    status: "waiting",
    detail: "asks a person",
  });
});

test("at the end all that has not begun is skipped, and what makes up for something stands beside it", () => {
  const states = statesAt(LOG, true);
  expect(states.wrong).toEqual({ status: "failed", detail: "0 ms" });
  expect(states.both).toMatchObject({ status: "done" });
  expect(states.unsend).toMatchObject({ status: "done", turns: 3 });
  expect(Object.values(states).map((it) => it.status)).not.toContain("running");
});

test("what would make up for something is to come as long as the run goes on, and never after", () => {
  const done = until("step.finished", "each[0].send");
  expect(statesAt(done).unsend).toBeUndefined();
  expect(statesAt(done, true)).toMatchObject({ send: { status: "done" }, unsend: { status: "skipped" } });
});

test("what makes up for a case that is not taken will not come, though the run goes on", () => {
  const undo = { id: "undo", type: "tool", tool: "t" };
  const paid = { id: "pay", type: "tool", tool: "t", compensate: undo };
  const cases = [{ then: [{ id: "other", type: "mapping" }] }];
  const steps = [{ id: "route", type: "conditional", cases, otherwise: [paid] }];
  const begun = ["route", "other"].map((step, at) => ({
    seq: at + 1,
    type: "step.started",
    run_id: "r1",
    at: "2026-12-01T00:00:00Z",
    data: { step, kind: "x", name: step },
  }));
  const states = statesOf(steps, executionsOf(begun), false, NOW);
  expect([states.pay?.status, states.undo?.status]).toEqual(["skipped", "skipped"]);
});

test("a log that grows is read on where it ended, and another one anew", () => {
  const read = logReader();
  for (let end = 1; end <= LOG.length; end += 3) read(LOG.slice(0, end));
  expect(read(LOG)).toEqual(executionsOf(LOG));
  expect(read(LOG)).toBe(read(LOG));
  const fewer = LOG.slice(0, 20);
  expect(read(fewer)).toEqual(executionsOf(fewer));
  const other = LOG.map((it) => ({ ...it }));
  expect(read(other).all.get("each[1].send")?.attempts).toHaveLength(1);
});

test("what says the same as before is the same", () => {
  const before = statesAt(until("step.finished", "code"));
  const next = keptStates(before, statesAt(until("step.started", "both")));
  expect(next.code).toBe(before.code);
  expect(next.both).toEqual({ status: "running" });
  expect(keptStates(next, statesAt(until("step.started", "both")))).toBe(next);
});

test("what is open when the run ends is canceled, and what was to come is skipped", () => {
  const states = statesAt(until("step.started", "each[0].send"), true);
  expect([states.send?.status, states.ask?.status, states.odd?.status]).toEqual([
    "canceled",
    "canceled",
    "skipped",
  ]);
});

test("an execution has what it was given, the run below it and what was decided", () => {
  const { all } = executionsOf(LOG);
  expect(all.get("each[1].send")?.input).toEqual({ value: 2 });
  expect(all.get("ask")?.run).toEqual({ id: "run_ask", kind: "agent", status: "succeeded" });
  expect(all.get("ok")).toMatchObject({
    approval: { id: "ask_ok", decision: "approve", by: "user:ada" },
    waits: null,
  });
  expect(all.get("fetch")?.attempts.map((it) => it.end?.error?.message ?? null)).toEqual(["busy", null]);
});

test("without the definition the log says what there was", () => {
  const seen = entriesSeen(executionsOf(until("step.started", "each[1].nested")));
  expect(seen).toContainEqual({ id: "nested", type: "workflow", workflow: "other" });
  expect(seen.filter((it) => it.id === "send")).toHaveLength(1);
});
