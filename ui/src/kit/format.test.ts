import { expect, test } from "vitest";
import { ago, duration, money, plural, shortId, size, tokens } from "./format";

test("durations are as exact as they are long", () => {
  const said = [0, 640, 999.6, 9100, 59_949, 59_950, 184_000, 3_599_000, 7_500_000, 273_600_000].map(
    duration,
  );
  expect(said).toEqual([
    "0 ms",
    "640 ms",
    "1000 ms",
    "9.1 s",
    "59.9 s",
    "1 m 00 s",
    "3 m 04 s",
    "59 m 59 s",
    "2 h 05 m",
    "3 d 4 h",
  ]);
});

test("money keeps two figures below a dollar", () => {
  expect([0, 0.00083, 0.0412, 0.25, 1, 12.5].map(money)).toEqual([
    "$0",
    "$0.00083",
    "$0.041",
    "$0.25",
    "$1.00",
    "$12.50",
  ]);
});

test("tokens and bytes are short", () => {
  expect([31, 6104, 11_200, 2_310_000].map(tokens)).toEqual(["31", "6,104", "11.2 k", "2.3 M"]);
  expect([312, 1100, 9_200_000, 312_000].map(size)).toEqual(["312 B", "1.1 kB", "9.2 MB", "312 kB"]);
});

test("a time is said by how long ago it was, until it is a day", () => {
  const now = new Date("2026-11-25T12:00:00Z");
  const before = (seconds: number) => ago(new Date(now.getTime() - seconds * 1000), now);
  expect([0, 30, 90, 7200, -7200].map(before)).toEqual(["now", "30 s", "1 min", "2 h", "in 2 h 00 m"]);
  expect(before(5 * 86_400)).toBe("20 Nov");
  expect(before(400 * 86_400)).toBe("21 Oct 2025");
});

test("ids are told apart by their ends, for they begin with the time", () => {
  expect(shortId("0199a1b2-0000-7000-8000-00000000abcd")).toBe("0000abcd");
  expect(shortId("shop")).toBe("shop");
});

test("one is not many", () => {
  expect([plural(1, "run"), plural(1200, "run"), plural(0, "reply", "replies")]).toEqual([
    "1 run",
    "1,200 runs",
    "0 replies",
  ]);
});
