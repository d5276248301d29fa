import { expect, test } from "vitest";
import { docsFor, grouped, placesFor } from "./navigation";

test("nobody is led to what he may not see", () => {
  expect(placesFor([]).map((it) => it.label)).toEqual(["Overview", "API explorer"]);
  expect(placesFor(["approval.decide"]).map((it) => it.label)).toEqual([
    "Overview",
    "Approvals",
    "API explorer",
  ]);
  expect(grouped(placesFor(["agent.read", "run.read", "approval.read"])).map(([group]) => group)).toEqual([
    "",
    "Build",
    "Watch",
    "Connect",
  ]);
});

test("each page leads to its part of the documentation", () => {
  expect(docsFor("/")).toBe("/docs");
  expect(docsFor("/agents/support")).toBe("/docs#tag-agents");
  expect(docsFor("/api")).toBe("/docs");
  expect(docsFor("/clients")).toBe("/docs#tag-oauth");
});
