import { expect, test } from "vitest";
import { type Entry, keyOf } from "../graph/entry";
import { entryOfPointer, readsAt } from "./reads";

const step = (id: string, more: Entry = {}): Entry => ({ id, type: "mapping", output: 1, ...more });
const STEPS: Entry[] = [
  step("a"),
  { id: "route", type: "conditional", cases: [{ when: {}, then: [step("b"), step("c")] }] },
  { id: "each", type: "foreach", items: [], do: [step("d"), step("e", { compensate: step("undo") })] },
  step("last"),
];
const outputs = (path: (string | number)[], steps = STEPS) =>
  readsAt(steps, path, null)
    .filter((it) => it.startsWith("/steps/"))
    .map((it) => it.split("/")[2]);

test("an entry reads what is over before it begins", () => {
  expect(outputs([0])).toEqual([]);
  expect(outputs([1, "cases", 0, "then", 1])).toEqual(["b", "a"]);
  expect(outputs([2, "do", 1])).toEqual(["d", "route", "b", "c", "a"]);
  // What is within turns is there in the same turn only.
  expect(outputs([3])).toEqual(["each", "route", "b", "c", "a"]);
});

test("in a graph it reads what it waits for, and what that waits for", () => {
  const graph = [
    step("x", { depends_on: [] }),
    step("y", { depends_on: ["x"] }),
    step("z", { depends_on: ["y"] }),
    step("w", { depends_on: [] }),
  ];
  expect(outputs([2], graph)).toEqual(["y", "x"]);
  expect(outputs([3], graph)).toEqual([]);
  const circle = [step("p", { depends_on: ["q"] }), step("q", { depends_on: ["p"] })];
  expect(outputs([0], circle)).toEqual(["q", "p"]);
});

test("turns have an item and a number, and the input has members", () => {
  expect(readsAt(STEPS, [2, "do", 0], null)).toContain("/item");
  expect(readsAt(STEPS, [3], null)).not.toContain("/item");
  const schema = { properties: { "a/b": {}, id: {} } };
  expect(readsAt(STEPS, [0], schema)).toEqual([
    "/previous",
    "/input",
    "/input/a~1b",
    "/input/id",
    "/context",
  ]);
});

test("a fault is about the entry in which it is", () => {
  const about = (pointer: string) => {
    const path = entryOfPointer(STEPS, pointer);
    return path && keyOf(path);
  };
  expect(about("/steps/0/output/$")).toBe("0");
  expect(about("/steps/1/cases/0/when/left")).toBe("1");
  expect(about("/steps/1/cases/0/then/1/input/0")).toBe("1/cases/0/then/1");
  expect(about("/steps/2/do/1/compensate/tool")).toBe("2/do/1/compensate");
  expect(about("/steps/9/type")).toBeNull();
  expect(about("/steps")).toBeNull();
  expect(about("/name")).toBeNull();
});
