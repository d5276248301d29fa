import { expect, test } from "vitest";
import { cameOf, type Firing, missedOf, type Trigger, whatOf } from "./trigger";

const trigger = (more: Partial<Trigger>): Trigger => ({
  id: "t",
  type: "cron",
  paused: false,
  next_at: [],
  ...more,
});
const firing = (more: Partial<Firing>): Firing => ({
  id: "f",
  fired_at: "2026-12-01T00:00:00Z",
  status: "started",
  ...more,
});

test("each type says what it waits for", () => {
  expect(whatOf(trigger({ cron: "0 9 * * 1-5", timezone: "Europe/Berlin" }))).toBe(
    "0 9 * * 1-5 in Europe/Berlin",
  );
  expect(whatOf(trigger({ type: "api", path: "analyze", method: "PUT" }))).toBe(
    "PUT /hooks/analyze, with a token",
  );
  expect(whatOf(trigger({ type: "webhook", path: "gh", signature: "github" }))).toBe(
    "POST /hooks/gh, signed as GitHub does",
  );
  expect(whatOf(trigger({ type: "webhook", path: "x", signature: "none" }))).toContain("open to everybody");
  expect(whatOf(trigger({ type: "event", name: "paid", key: "" }))).toBe("the event paid");
  expect(whatOf(trigger({ type: "event", name: "paid", key: { n: 1 } }))).toBe('the event paid of {"n":1}');
});

test("what was missed is left out, unless something else is said", () => {
  expect(["skip", "once", "all", null].map((missed) => missedOf(trigger({ missed })))).toEqual([
    "left out",
    "made up for once",
    "made up for, each of them",
    "left out",
  ]);
});

test("a firing says what came of it, and by whom", () => {
  expect(cameOf(firing({}))).toBe("Began a run");
  expect(cameOf(firing({ by: "user:ada" }))).toBe("Began a run by hand");
  expect(cameOf(firing({ status: "refused", error: { code: "x", message: "the input is wrong" } }))).toBe(
    "Refused: the input is wrong",
  );
  expect(cameOf(firing({ status: "skipped" }))).toBe("Left out");
});
