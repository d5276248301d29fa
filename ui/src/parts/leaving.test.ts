import { expect, test } from "vitest";
import { isLeaving } from "./leaving";

const at = (pathname: string, search: object = {}) => ({ pathname, search });

test("an editor is left with its page, its tab, and what it began as", () => {
  const copy = at("/workflows/new", { from: "refund" });
  expect(isLeaving(copy, at("/workflows/new"))).toBe(true);
  expect(isLeaving(at("/tools/new", { kind: "http" }), at("/tools/new", { kind: "static" }))).toBe(true);
  expect(isLeaving(at("/workflows/a"), at("/workflows/b"))).toBe(true);
  expect(isLeaving(at("/workflows/a"), at("/workflows/a", { tab: "run" }))).toBe(true);
  expect(isLeaving(at("/agents/a", { tab: "definition" }), at("/agents/a"))).toBe(true);
});

test("it is not left when another entry is opened in it, or its tab is said", () => {
  expect(isLeaving(at("/workflows/a", { entry: "0" }), at("/workflows/a", { entry: "1" }))).toBe(false);
  expect(isLeaving(at("/workflows/a", { tab: "editor" }), at("/workflows/a"))).toBe(false);
  expect(
    isLeaving(at("/workflows/new", { from: "a" }), at("/workflows/new", { from: "a", entry: "0" })),
  ).toBe(false);
});
