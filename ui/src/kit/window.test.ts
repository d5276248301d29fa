import { expect, test } from "vitest";
import { rowsToDraw } from "./window";

test("only what is seen is drawn, and a little beyond it", () => {
  expect(rowsToDraw(0, 760, 38, 10_000)).toEqual({ first: 0, end: 26 });
  expect(rowsToDraw(38_000, 760, 38, 10_000)).toEqual({ first: 994, end: 1026 });
  expect(rowsToDraw(38 * 9990, 760, 38, 10_000)).toEqual({ first: 9984, end: 10_000 });
});

test("a list that is not scrolled to, short or empty is drawn as far as there is one", () => {
  expect(rowsToDraw(-500, 760, 38, 5)).toEqual({ first: 0, end: 5 });
  expect(rowsToDraw(0, 760, 38, 0)).toEqual({ first: 0, end: 0 });
  expect(rowsToDraw(99_999, 760, 38, 5)).toEqual({ first: 0, end: 5 });
});
