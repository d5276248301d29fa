import { expect, test } from "vitest";
import { barsOf, HEIGHT, lineOf, roundUp, ticksOf, WIDTH } from "./plot";

test("the upper edge is a round number that has room for all", () => {
  expect([0, 0.003, 1, 1.1, 7, 29, 500, 501].map(roundUp)).toEqual([1, 0.005, 1, 2, 10, 50, 500, 1000]);
});

test("bars stand on each other, and nothing has none", () => {
  const red = barsOf([0, 1], 10);
  const grey = barsOf([5, 4], 10, [0, 1]);

  expect(red).toHaveLength(1);
  expect(grey[1]?.y).toBeCloseTo((red[0]?.y ?? 0) - 0.4 * HEIGHT);
  expect(grey[0]?.height).toBeCloseTo(HEIGHT / 2);
  expect((grey[1]?.x ?? 0) + (grey[1]?.width ?? 0)).toBeLessThan(WIDTH);
});

test("a line is broken where there is no value, and a lone value is seen", () => {
  expect(lineOf([null, 5, null], 10)).toBe("M330.0 38.0H570.0");
  expect(lineOf([10, 0, null, 10], 10).match(/M/g)).toHaveLength(2);
  expect(lineOf([], 1)).toBe("");
});

test("a day is written by its hours, a week by its days", () => {
  const from = new Date(2026, 10, 25, 10);
  expect(ticksOf(from, new Date(2026, 10, 25, 14)).map((it) => it.label)).toEqual([
    "10:00",
    "11:00",
    "12:00",
    "13:00",
  ]);
  expect(ticksOf(from, new Date(2026, 10, 29, 10))[1]).toEqual({ label: "26 Nov", x: 25 });
});
