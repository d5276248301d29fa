import { expect, test } from "vitest";
import type { RunEvent } from "../api/types";
import { eventsOfCall, factsOf, isAsking, kindOf } from "./events";

const event = (seq: number, type: string, data: Record<string, unknown> = {}): RunEvent => ({
  seq,
  type,
  run_id: "r",
  at: "2026-11-25T10:00:00Z",
  data,
});

test("an event is said in a few words", () => {
  const facts = [
    event(1, "run.started", { definition: { name: "support" } }),
    event(2, "model.finished", {
      model: "openai/gpt-5",
      finish_reason: "stop",
      usage: { input_tokens: 412, output_tokens: 31 },
      duration_ms: 640,
    }),
    event(3, "tool.finished", { status: "failed", error: { message: "no answer" }, duration_ms: 30_000 }),
    event(4, "memory.read", { messages: 4 }),
    event(5, "run.finished", { status: "failed", error: { message: "over the limit" } }),
    event(6, "step.started", { step: "1", kind: "agent", name: "support" }),
    event(7, "step.started", { step: "each[0].send", kind: "tool", name: "pay", attempt: 2 }),
    event(8, "step.finished", { step: "send", status: "failed", error: { message: "busy" }, duration_ms: 5 }),
    event(9, "timer.set", { timer_id: "nap", step: "nap", until: "2026-12-01T00:00:00Z" }),
    event(10, "approval.requested", { kind: "step", tool: { name: "ok" }, message: "Go on?" }),
  ].map(factsOf);
  expect(facts).toEqual([
    "support",
    "openai/gpt-5 · stop · 412 in, 31 out · 640 ms",
    "failed · no answer · 30.0 s",
    "4 messages",
    "failed · over the limit",
    "agent · support",
    "tool · each[0].send, pay · attempt 2",
    "send · failed · busy · 5 ms",
    "nap · 2026-12-01T00:00:00Z",
    "ok · Go on?",
  ]);
});

test("what is not known yet is shown by its name alone", () => {
  const unknown = event(9, "planet.aligned", { tool: 7, definition: null });
  expect([factsOf(unknown), kindOf(unknown)]).toEqual(["", "step"]);
  expect(factsOf(event(1, "run.started", { definition: 7, error: "x" }))).toBe("");
});

test("the events of a call are found by any of them", () => {
  const events = [
    event(1, "run.started"),
    event(2, "step.started", { step: "1" }),
    event(3, "model.started", { step: "1", call_id: "m1" }),
    event(4, "model.finished", { call_id: "m1" }),
    event(5, "tool.started", { step: "1", call_id: "c1" }),
  ];
  expect(eventsOfCall(events, 3).map((it) => it.seq)).toEqual([3, 4]);
  expect(eventsOfCall(events, 2).map((it) => it.seq)).toEqual([2, 3, 5]);
  expect(eventsOfCall(events, 1).map((it) => it.seq)).toEqual([1]);
  expect(eventsOfCall(events, 99)).toEqual([]);
});

test("a person is asked from the question to the decision, of as many as there are", () => {
  const [asked, decided] = [event(1, "approval.requested"), event(2, "approval.decided")];
  expect([[], [asked], [asked, decided]].map(isAsking)).toEqual([false, true, false]);
  expect(isAsking([asked, asked, decided])).toBe(true);
});
