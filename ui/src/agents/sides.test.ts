import { expect, test } from "vitest";
import { choicesFor, isBetter, sideOf } from "./sides";

test("a side is an agent, or a version of it", () => {
  expect(sideOf("support")).toEqual({ agent: "support", version: null });
  expect(sideOf("support@3")).toEqual({ agent: "support", version: 3 });
  expect(choicesFor("support", 3, ["demo", "support"])).toEqual([
    ["support@2", "support, version 2"],
    ["support@1", "support, version 1"],
    ["demo", "demo"],
  ]);
});

test("the better figure is the smaller one, if there are two", () => {
  expect([isBetter(1, 2), isBetter(2, 1), isBetter(1, 1), isBetter(1, null), isBetter(null, 1)]).toEqual([
    true,
    false,
    false,
    false,
    false,
  ]);
});
