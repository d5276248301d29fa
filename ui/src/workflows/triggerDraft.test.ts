import { expect, test } from "vitest";
import { numberTyped } from "./draft";
import {
  asType,
  newTrigger,
  TRIGGER_TYPES,
  triggersBody,
  triggersDraft,
  triggersOf,
  triggerWords,
} from "./triggerDraft";

test("what begins runs is said in words, also as long as nothing is typed", () => {
  expect(triggerWords({ type: "api", path: "analyze", method: "PUT" })).toBe("PUT /hooks/analyze");
  expect(triggerWords({ type: "webhook", path: "order" })).toBe("POST /hooks/order");
  expect(triggerWords({ type: "cron", cron: "0 9 * * *", timezone: "Europe/Berlin" })).toBe(
    "0 9 * * * in Europe/Berlin",
  );
  expect(triggerWords({ type: "event", name: "paid" })).toBe("the event paid");
  expect(triggerWords({})).toBe("of no type yet");
});

test("a definition of before there were triggers has none, and garbage keeps its place", () => {
  expect(triggersOf({})).toEqual([]);
  expect(triggersOf({ triggers: [null, { type: "api" }] })).toEqual([{}, { type: "api" }]);
});

test("what was read is what is sent, if nobody changes it", () => {
  const body = {
    triggers: [
      { type: "cron", cron: "0 9 * * *", input: { a: [1] } },
      { type: "event", name: "x" },
    ],
  };
  expect(triggersBody(triggersDraft(body))).toEqual({ body });
});

test("what cannot be read is said where it stands", () => {
  const triggers = [{ type: "cron" }, { type: "cron", input: { n: numberTyped("x") } }];
  expect(triggersBody({ triggers })).toEqual({ errors: { "/triggers/1/input/n": "A whole number." } });
});

test("one of another type keeps what both have", () => {
  const api = { id: "a", type: "api", path: "order", method: "PUT" };
  expect(asType(api, "webhook")).toEqual({
    id: "a",
    type: "webhook",
    path: "order",
    signature: "standard",
    secret: "",
  });
  for (const type of TRIGGER_TYPES) expect(newTrigger(type).type).toBe(type);
});
