import { expect, test } from "vitest";
import { placesOf, rowsToDraw } from "./window";

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

test("a row that comes takes the place of one that went", () => {
  const places = (before: Iterable<[number, number]>, first: number, end: number) => [
    ...placesOf(new Map(before), first, end),
  ];
  const begun = places([], 0, 4);
  expect(begun).toEqual([
    [0, 0],
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
  const on = places(begun, 1, 6);
  expect(on).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 0],
    [5, 4],
  ]);
  expect(places(on, 900, 903)).toEqual([
    [900, 0],
    [901, 1],
    [902, 2],
  ]);
});
