import { expect, test } from "vitest";
import { diffLines, nearChanges } from "./diff";

const said = (before: string, after: string) => diffLines(before, after).map((it) => it.sign + it.text);

test("only what differs is taken out and put in", () => {
  expect(said("a\nb\nc", "a\nx\nc")).toEqual([" a", "-b", "+x", " c"]);
  expect(said("a", "a")).toEqual([" a"]);
  expect(said("a\nb", "b\na")).toHaveLength(3);
  expect(said("", "a")).toEqual(["-", "+a"]);
});

test("a comparison makes the one of the other", () => {
  const before = "a\nb\nb\nc\nd\ne";
  const after = "b\nc\nx\ne\ne\ny";
  const lines = diffLines(before, after);
  expect(
    lines
      .filter((it) => it.sign !== "+")
      .map((it) => it.text)
      .join("\n"),
  ).toBe(before);
  expect(
    lines
      .filter((it) => it.sign !== "-")
      .map((it) => it.text)
      .join("\n"),
  ).toBe(after);
});

test("what is the same for long is left out", () => {
  const before = Array.from({ length: 30 }, (_, n) => `line ${n}`).join("\n");
  const shown = nearChanges(diffLines(before, before.replace("line 15", "changed")));
  expect(shown.map((it) => it?.text ?? "…")).toEqual([
    "…",
    "line 12",
    "line 13",
    "line 14",
    "line 15",
    "changed",
    "line 16",
    "line 17",
    "line 18",
    "…",
  ]);
});

test("very long texts are compared at once", () => {
  const long = Array.from({ length: 5000 }, (_, n) => String(n)).join("\n");
  expect(diffLines(long, `${long}\nmore`)).toHaveLength(10_001);
});
