import { expect, test } from "vitest";
import { lookOf } from "./state";
import { markOf, predicateWords, valueWords, whatOf } from "./words";

test("values are said in a few words", () => {
  expect(valueWords({ $: "/input/id" })).toBe("/input/id");
  expect(valueWords({ $template: "Hello {{ input.name }}" })).toBe('"Hello {{ input.name }}"');
  expect(valueWords({ $first: [{ $: "/input/a" }, 7] })).toBe("first of /input/a, 7");
  expect(valueWords({ $literal: { $: 1 } })).toBe('{"$":1}');
  expect(valueWords([1, 2])).toBe("2 in a list");
  expect(valueWords(null)).toBe("null");
  expect(valueWords(undefined)).toBe("nothing");
});

test("predicates are said in words", () => {
  const read = { $: "/input/n" };
  const gt = { op: "gt", left: read, right: 100 };
  expect(predicateWords(gt)).toBe("/input/n > 100");
  expect(predicateWords({ op: "not", arg: { op: "or", args: [gt, { op: "exists", value: read }] } })).toBe(
    "not (/input/n > 100 or /input/n is there)",
  );
  expect(predicateWords({ op: "and", args: [] })).toBe("always");
  expect(predicateWords({ op: "or", args: [] })).toBe("never");
  for (const wrong of [null, 7, {}, { op: "xor" }, { op: 3 }])
    expect(predicateWords(wrong)).toBe("no rule yet");
});

test("every type says what it does, also as long as nothing is typed", () => {
  expect(whatOf({ type: "tool", tool: "get_order", version: 3 })).toBe("tool get_order v3");
  expect(whatOf({ type: "agent" })).toBe("agent none chosen");
  expect(whatOf({ type: "mapping", output: { a: 1, b: 2 } })).toBe("gives { a, b }");
  expect(whatOf({ type: "parallel", branches: { a: [], b: [] }, fail_fast: false })).toBe(
    "2 at once, all to their end",
  );
  expect(whatOf({ type: "foreach", items: { $: "/input/lines" }, concurrency: 4 })).toBe(
    "for each of /input/lines, 4 at once",
  );
  expect(whatOf({ type: "loop", until: { op: "truthy", value: 1 }, max_iterations: 5 })).toBe(
    "until 1 is true or not empty, 5 turns at most",
  );
  expect(whatOf({ type: "sleep", duration_ms: 90_000 })).toBe("sleeps 1 m 30 s");
  expect(whatOf({ type: "sleep_until", until: "2026-12-24T00:00:00Z" })).toBe(
    "sleeps until 2026-12-24T00:00:00Z",
  );
  expect(whatOf({ type: "wait_for_event", event: "paid" })).toBe("waits for paid");
  expect(whatOf({ type: "approval" })).toBe("asks a person, 1 d at most");
  expect(whatOf({})).toBe("of no type yet");
  expect(markOf("wait_for_event")).toBe("event");
  expect(markOf({})).toBe("step");
});

test("a line is taken, to come, or never will be", () => {
  const states = { a: { status: "done" }, b: { status: "running" }, d: { status: "skipped" } } as const;
  expect(lookOf(undefined, "a", "b")).toBe("plain");
  expect(lookOf(states, "a", "b")).toBe("plain");
  expect(lookOf(states, "b", "c")).toBe("todo");
  expect(lookOf(states, "a", "d")).toBe("skipped");
  expect(lookOf(states, "a", null)).toBe("plain");
});
