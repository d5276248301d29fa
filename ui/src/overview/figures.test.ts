import { expect, test } from "vitest";
import { health, kindWords, percent, share } from "./figures";

const counts = (succeeded: number, failed = 0, timed_out = 0) => ({ succeeded, failed, timed_out });

test("a share is of those that were to succeed", () => {
  expect(share(counts(0))).toBeNull();
  expect(share(counts(3, 1))).toBe(0.75);
});

test("all is only said of all", () => {
  expect(percent(1)).toBe("100 %");
  expect(percent(9_999 / 10_000)).toBe("99.9 %");
  expect(percent(0.5)).toBe("50 %");
});

test("how it goes is told by what succeeded", () => {
  expect([counts(0), counts(100), counts(95, 5), counts(1, 1)].map(health)).toEqual([
    "quiet",
    "well",
    "mostly",
    "badly",
  ]);
});

test("a kind that is not known keeps its name", () => {
  expect(kindWords("provider")).toMatch(/provider/);
  expect(kindWords("moon")).toBe("moon");
});
