import { expect, test } from "vitest";
import { settle } from "./settle";

test("who is far enough from the others stands where he likes", () => {
  expect(settle([0, 100, 300], [50, 50])).toEqual([0, 100, 300]);
});

test("those who want the same place share it, and keep their distance", () => {
  expect(settle([100, 100], [50])).toEqual([75, 125]);
  expect(settle([100, 0], [50])).toEqual([25, 75]);
  expect(settle([0, 0, 0], [15, 30])).toEqual([-20, -5, 25]);
});

test("in any row all keep their order and their distance", () => {
  let seed = 7;
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % 500;
  };
  for (let round = 0; round < 50; round++) {
    const wishes = Array.from({ length: 12 }, random);
    const gaps = Array.from({ length: 11 }, random);
    const found = settle(wishes, gaps);
    found.slice(1).forEach((it, at) => {
      expect(it - (found[at] ?? 0)).toBeGreaterThanOrEqual((gaps[at] ?? 0) - 1e-6);
    });
  }
  expect(settle([], [])).toEqual([]);
});
