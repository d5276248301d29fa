import { expect, test } from "vitest";
import { grouped, placesFor } from "./navigation";

test("nobody is led to what he may not see", () => {
  expect(placesFor([]).length).toBe(0);
  expect(placesFor(["approval.decide"]).map((it) => it.label)).toEqual(["Approvals"]);
  expect(grouped(placesFor(["agent.read", "run.read", "approval.read"])).map(([group]) => group)).toEqual([
    "Build",
    "Watch",
  ]);
});
