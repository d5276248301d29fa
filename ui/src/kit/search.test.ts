import { expect, test } from "vitest";
import { oneOf, parseSearch, stringifySearch, textIn } from "./search";

test("a query is texts, there and back", () => {
  const search = { q: "a & b", version: "3", empty: "", none: undefined };
  expect(stringifySearch(search)).toBe("?q=a+%26+b&version=3");
  expect(parseSearch(stringifySearch(search))).toEqual({ q: "a & b", version: "3" });
  expect(stringifySearch({})).toBe("");
});

test("what is not known is as if it were not there", () => {
  const raw = { status: "broken", tab: "events", n: 3 };
  expect(oneOf(raw, "status", ["failed", "running"])).toBeUndefined();
  expect(oneOf(raw, "tab", ["events"])).toBe("events");
  expect([textIn(raw, "n"), textIn(raw, "x"), textIn({ x: "" }, "x")]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
