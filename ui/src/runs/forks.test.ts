import { expect, test } from "vitest";
import type { RunEvent } from "../api/types";
import { executionsOf } from "./entries";
import { forkable, forkOf, likelyStart, recordedBefore } from "./forks";

const log = (...events: [type: string, data: Record<string, unknown>][]) =>
  events.map(
    ([type, data], at): RunEvent => ({ seq: at + 1, type, run_id: "r", at: "2026-12-01T00:00:00Z", data }),
  );
const started = (step: string, kind = "tool") =>
  ["step.started", { step, kind, name: step }] as [string, object] as never;
const done = (step: string, output: unknown) =>
  ["step.finished", { step, status: "done", output, error: null, attempt: 1, duration_ms: 1 }] as never;
const failed = (step: string) =>
  [
    "step.finished",
    {
      step,
      status: "failed",
      output: null,
      error: { kind: "tool", message: "no" },
      attempt: 1,
      duration_ms: 1,
    },
  ] as never;

const EVENTS = log(
  started("a"),
  ["tool.started", { call_id: "a", step: "a", arguments: { n: 1 } }],
  done("a", { total: 40 }),
  started("each", "foreach"),
  started("each[0].b"),
  done("each[0].b", 1),
  done("each", [1]),
  started("c"),
  started("d"),
  failed("d"),
);
const { all } = executionsOf(EVENTS);
const ALL = forkable(all, []);

test("a fork begins at what has begun, outside of turns; likely at what failed", () => {
  expect([...ALL.keys()]).toEqual(["a", "each", "c", "d"]);
  expect(likelyStart(ALL)).toBe("d");
  expect(likelyStart(forkable(executionsOf(EVENTS.slice(0, 5)).all, []))).toBe("a");
  expect(likelyStart(new Map())).toBe("");
});

test("what was recorded before is what had ended by then", () => {
  expect([...recordedBefore(ALL, "c")]).toEqual([
    ["a", { total: 40 }],
    ["each", [1]],
  ]);
  // c was under way.
  expect([...recordedBefore(ALL, "d").keys()]).toEqual(["a", "each"]);
  expect(recordedBefore(ALL, "a").size).toBe(0);
});

test("what makes up for something is neither where a fork begins nor what it uses", () => {
  const steps = [{ id: "d", type: "tool", tool: "d", compensate: { id: "a", type: "tool", tool: "a" } }];
  expect([...forkable(all, steps).keys()]).toEqual(["each", "c", "d"]);
});

test("a fork says no more than is wanted, and what is no JSON", () => {
  expect(forkOf("c", new Map(), "")).toEqual({ body: { from_step: "c" } });
  expect(forkOf("c", new Map([["a", '{"total": 1}']]), " 2 ")).toEqual({
    body: { from_step: "c", overrides: { a: { total: 1 } }, version: 2 },
  });
  expect(forkOf("a", new Map(), "", '{"n": 2}')).toEqual({ body: { from_step: "a", input: { n: 2 } } });
  expect(forkOf("a", new Map(), "", "{")).toEqual({ errors: { "/input": expect.any(String) } });
  expect(forkOf("c", new Map([["a", "{"]]), "two")).toEqual({
    errors: { "/overrides/a": expect.stringMatching(/^Line 1: /), "/version": "A whole number." },
  });
});

test("the events of an execution are its own and those of its calls", () => {
  expect(all.get("a")?.events.map((it) => it.seq)).toEqual([1, 2, 3]);
  expect(all.get("each")?.events.map((it) => it.type)).toEqual(["step.started", "step.finished"]);
  const more = log(
    started("ask", "approval"),
    ["approval.requested", { id: "p", step: "ask", call_id: "ask" }],
    ["approval.decided", { approval_id: "p" }],
    ["approval.decided", { approval_id: "q" }],
    ["child.started", { run_id: "x", call_id: "ask#2" }],
    ["child.finished", { run_id: "x" }],
    ["timer.fired", { timer_id: "ask#2" }],
  );
  expect(
    executionsOf(more)
      .all.get("ask")
      ?.events.map((it) => it.seq),
  ).toEqual([1, 2, 3, 5, 6, 7]);
});
