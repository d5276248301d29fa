import { expect, test } from "vitest";
import type { Firing, TriggerState } from "../api/types";
import { cameOf, missedOf, whatOf } from "./trigger";

const NONE = {
  path: null,
  url: null,
  method: null,
  signature: null,
  cron: null,
  timezone: null,
  missed: null,
};
const trigger = (more: Partial<TriggerState>): TriggerState => ({
  ...NONE,
  ...{ id: "t", type: "cron", input: null, name: null, key: null, paused: false, paused_at: null },
  ...{ next_at: [], last_firing: null, problem: null },
  ...more,
});
const firing = (more: Partial<Firing>): Firing => ({
  ...{ id: "f", at: null, by: null, error: null, run_id: null },
  ...{ fired_at: "2026-12-01T00:00:00Z", status: "started" },
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
  expect(whatOf(trigger({ type: "event", name: "paid", key: "A-17" }))).toBe("the event paid of A-17");
});

test("what was missed is left out, unless something else is said", () => {
  expect((["skip", "once", "all", null] as const).map((missed) => missedOf(trigger({ missed })))).toEqual([
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
