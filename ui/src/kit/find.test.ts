import { expect, test } from "vitest";
import { found, marked, nearest } from "./find";

const names = (query: string, labels: string[]) =>
  found(
    query,
    labels.map((label) => ({ label })),
  ).map((it) => it.label);

test("the best is first, and what is no match is not there", () => {
  const labels = ["xrefundx", "order-refund", "refund", "r-e-f-u-n-d", "other"];
  expect(names("refund", labels)).toEqual(["refund", "order-refund", "xrefundx", "r-e-f-u-n-d"]);
  expect(names("", labels)).toEqual(labels);
  expect(names("  REF ", labels)).toContain("refund");
});

test("a hint is found, too, after names", () => {
  const items = [{ label: "Runs", hint: "0199abcd" }, { label: "abc" }];
  expect(found("abc", items).map((it) => it.label)).toEqual(["abc", "Runs"]);
});

test("what was typed is marked where it stands", () => {
  expect(marked("ef", "refund")).toEqual([
    { text: "r", hit: false },
    { text: "ef", hit: true },
    { text: "und", hit: false },
  ]);
  expect(marked("x", "refund")).toEqual([{ text: "refund", hit: false }]);
});

test("a name that there is not stands for the one that is nearest, if any is near", () => {
  const names = ["crm_update", "crm_read", "refund"];
  expect(nearest("crm_updte", names)).toBe("crm_update");
  expect(nearest("Refnd", names)).toBe("refund");
  expect(nearest("weather", names)).toBeUndefined();
  expect(nearest("", names)).toBeUndefined();
});
