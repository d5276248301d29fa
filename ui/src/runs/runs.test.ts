import { expect, test } from "vitest";
import type { RunEvent, RunSummary, Span } from "../api/types";
import { deliveredWords } from "./delivered";
import { sharesOf, ticksOf, waitsOf, waterfallOf } from "./layout";
import { merged, tookMs } from "./rows";
import { createdAfter, runSearch, runsSearch } from "./search";

const T0 = Date.parse("2026-11-25T10:00:00Z");
const at = (ms: number) => new Date(T0 + ms).toISOString();
const run = (id: string, ms: number, status = "running") =>
  ({ id, created_at: at(ms), status }) as RunSummary;
const span = (
  id: string,
  parent: string | null,
  kind: Span["kind"],
  from: number,
  ms: number | null,
  seq: number,
) =>
  ({
    id,
    parent_id: parent,
    kind,
    name: id,
    status: "done",
    started_at: at(from),
    duration_ms: ms,
    usage: null,
    seq,
  }) as Span;
const event = (seq: number, type: string, ms: number, data = {}): RunEvent => ({
  seq,
  type,
  run_id: "r",
  at: at(ms),
  data,
});

const SPANS = [
  span("r", null, "run", 0, 1000, 1),
  span("s1", "r", "step", 0, 400, 2),
  span("s2", "r", "step", 900, 100, 9),
  span("m1", "s1", "model", 0, 100, 3),
  span("t1", "s1", "tool", 100, 50, 5),
  span("c", "t1", "run", 110, 40, 1),
];
const EVENTS = [
  event(6, "run.waiting", 400, { waiting_for: [{ kind: "approval", approval_id: "a" }] }),
  event(8, "run.resumed", 900),
];

test("spans stand below what holds them, in the order in which they began, and waiting between them", () => {
  const { lines, totalMs } = waterfallOf(SPANS, waitsOf(EVENTS), T0 + 5000);
  expect(totalMs).toBe(1000);
  expect(
    lines.map(
      (it) => `${" ".repeat(it.depth)}${it.id} ${it.from}+${Number(it.width.toFixed(3))} of ${it.runId}`,
    ),
  ).toEqual([
    "r 0+1 of r",
    " s1 0+0.4 of r",
    "  m1 0+0.1 of r",
    "  t1 0.1+0.05 of r",
    "   c 0.11+0.04 of c",
    " wait-6 0.4+0.5 of r",
    " s2 0.9+0.1 of r",
  ]);
});

test("what goes on reaches to now", () => {
  const { lines, totalMs } = waterfallOf([span("r", null, "run", 0, null, 1)], [], T0 + 4000);
  expect([totalMs, lines[0]?.width, lines[0]?.tookMs]).toEqual([4000, 1, null]);
  const queued = { ...span("r", null, "run", 0, null, 0), started_at: null };
  expect(waterfallOf([queued], [], T0).lines).toHaveLength(1);
  expect(waterfallOf([], [], T0).lines).toHaveLength(0);
});

test("waiting for a child is the child's span", () => {
  expect(waitsOf([event(1, "run.waiting", 0, { waiting_for: [{ kind: "child", run_id: "c" }] })])).toEqual(
    [],
  );
  expect(waitsOf([event(1, "run.waiting", 0, { waiting_for: [{ kind: "timer" }] })])).toMatchObject([
    { to: null, what: "timer" },
  ]);
});

test("what took longest is said first", () => {
  expect(sharesOf(SPANS, waitsOf(EVENTS), T0)).toEqual([
    ["waiting", 500],
    ["in models", 100],
    ["in tools", 50],
  ]);
});

test("the axis has few and round marks", () => {
  for (const total of [1, 9, 37, 640, 1000, 29_400, 184_000, 9_000_000]) {
    const ticks = ticksOf(total);
    expect(ticks.length).toBeGreaterThan(0);
    expect(ticks.length).toBeLessThan(9);
  }
  expect(ticksOf(29_400).map((it) => it.label)).toEqual([
    "0",
    "5.0 s",
    "10.0 s",
    "15.0 s",
    "20.0 s",
    "25.0 s",
  ]);
});

test("rows change in place, and new ones wait", () => {
  const read = [run("b", 2), run("a", 1)];
  const { rows, fresh } = merged(read, [run("d", 4), run("c", 3), run("b", 2, "succeeded")]);
  expect(rows.map((it) => `${it.id} ${it.status}`)).toEqual(["b succeeded", "a running"]);
  expect(fresh).toBe(2);
  expect(merged([], [run("a", 1)]).fresh).toBe(1);
});

test("a run takes from its start to its end", () => {
  expect(tookMs({ started_at: at(0), finished_at: at(50) }, T0 + 99)).toBe(50);
  expect(tookMs({ started_at: at(0), finished_at: null }, T0 + 99)).toBe(99);
  expect(tookMs({ started_at: null, finished_at: null }, T0)).toBeNull();
});

test("a link says what is looked at, and nonsense in it does no harm", () => {
  expect(runsSearch({ status: "failed", kind: "x", since: "24h", definition: "a" })).toMatchObject({
    status: "failed",
    kind: undefined,
    since: "24h",
  });
  expect(runSearch({ tab: "nowhere", span: "s" })).toEqual({ tab: undefined, span: "s" });
  expect(createdAfter("1h", new Date(T0 + 59_000))).toBe("2026-11-25T09:00:00.000Z");
});

test("an event says whom it went to, and what it began", () => {
  const words = (delivered: number, started: number) => deliveredWords({ delivered, started });
  expect(words(2, 0)).toBe("It went to 2 runs that waited for it");
  expect(words(0, 1)).toBe("It began 1 run");
  expect(words(1, 2)).toBe("It went to 1 run that waited for it, and began 2 runs");
  expect(words(0, 0)).toMatch(/^Nobody waits for it/);
});
