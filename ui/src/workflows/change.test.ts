import { expect, test } from "vitest";
import { type Entry, keyOf, TYPES } from "../graph/entry";
import {
  at,
  connect,
  entryAt,
  freeId,
  insert,
  insertBefore,
  listsOf,
  move,
  newEntry,
  put,
  remove,
  rename,
  retyped,
  shift,
  toGraph,
  toSequence,
} from "./change";

const step = (id: string, more: Entry = {}): Entry => ({ id, type: "mapping", output: 1, ...more });
const ids = (list: unknown) => (list as Entry[]).map((it) => it.id);

const STEPS: Entry[] = [
  step("a"),
  {
    id: "both",
    type: "parallel",
    branches: { left: [step("b"), step("c")], "x/y": [] },
  },
  step("d", { input: { $: "/steps/a/output" }, compensate: step("undo") }),
];
const LEFT = [1, "branches", "left"];

test("a member is set, and taken away, and all else is the same", () => {
  const changed = put(STEPS, [...LEFT, 1, "output"], { $: "/input" });
  expect(at(changed, [...LEFT, 1, "output"])).toEqual({ $: "/input" });
  expect(changed[0]).toBe(STEPS[0]);
  expect(entryAt(put(changed, [...LEFT, 1, "output"], undefined), [...LEFT, 1])).toEqual({
    id: "c",
    type: "mapping",
  });
  expect(at(put(STEPS, [1, "branches", "left"], undefined), [1, "branches"])).toEqual({ "x/y": [] });
  expect(entryAt(STEPS, [7])).toBeNull();
  expect(entryAt(STEPS, [])).toBeNull();
});

test("entries are put in, moved and taken away", () => {
  const more = insert(STEPS, LEFT, 1, step("n"));
  expect(ids(at(more, LEFT))).toEqual(["b", "n", "c"]);
  expect(ids(at(shift(more, [...LEFT, 1], -1), LEFT))).toEqual(["n", "b", "c"]);
  expect(shift(more, [...LEFT, 2], 1)).toBe(more);
  expect(ids(at(remove(more, [...LEFT, 0]), LEFT))).toEqual(["n", "c"]);
  expect(at(remove(STEPS, [2, "compensate"]), [2, "compensate"])).toBeUndefined();
  expect(remove(STEPS, [9])).toBe(STEPS);
});

test("entries are connected, and no longer, and never in a circle", () => {
  const list = [step("a"), step("b"), step("c"), step("d", { compensate: step("undo") })];
  const after = (steps: unknown) => (steps as Entry[]).map((it) => it.depends_on);
  const one = connect(list, [0], [2]);
  expect(after(one)).toEqual([[], ["a"], ["b", "a"], ["c"]]);
  expect(after(connect(one as Entry[], [1], [2]))).toEqual([[], ["a"], ["a"], ["c"]]);
  expect(connect(one as Entry[], [3], [0])).toBe("d waits for a already");
  expect(connect(list, [3, "compensate"], [0])).toBe("Only entries of one list can wait for each other");
  expect(connect(STEPS, [0], [...LEFT, 0])).toBe("Only entries of one list can wait for each other");
  expect(connect([{ type: "mapping" }, step("b")], [0], [1])).toBe("An entry needs an id to be waited for");
  const circle = [step("a", { depends_on: ["b"] }), step("b", { depends_on: ["a"] }), step("c")];
  expect(after(connect(circle, [0], [2]))).toEqual([["b"], ["a"], ["a"]]);
});

test("an entry goes into another list, also one that stands behind it", () => {
  const { steps, path } = move(STEPS, [0], [1, "branches", "x/y"]);
  expect(keyOf(path)).toBe("0/branches/x~1y/0");
  expect(entryAt(steps, path)?.id).toBe("a");
  expect(ids(steps)).toEqual(["both", "d"]);
  expect(ids(move(STEPS, [...LEFT, 0], []).steps)).toEqual(["a", "both", "d", "b"]);
  // Nothing goes into itself.
  expect(move(STEPS, [1], LEFT).steps).toBe(STEPS);
});

test("a list becomes a graph in which each waits for what it came after, and a list again", () => {
  const graph = toGraph([step("a"), step("b"), step("c")], []);
  expect(graph.map((it) => it.depends_on)).toEqual([[], ["a"], ["b"]]);
  const with_n = insert(graph, [], 1, step("n"));
  expect(with_n.map((it) => [it.id, it.depends_on])).toEqual([
    ["a", []],
    ["n", ["a"]],
    ["b", ["n"]],
    ["c", ["b"]],
  ]);
  expect(remove(with_n, [1]).map((it) => it.depends_on)).toEqual([[], ["a"], ["b"]]);
  // What is put before one stands between it and what it waited for; what others wait for stays.
  const fork = [
    step("a", { depends_on: [] }),
    step("b", { depends_on: ["a"] }),
    step("c", { depends_on: ["a"] }),
  ];
  expect(insertBefore(fork, [], 2, step("n")).map((it) => [it.id, it.depends_on])).toEqual([
    ["a", []],
    ["b", ["a"]],
    ["n", ["a"]],
    ["c", ["n"]],
  ]);
  expect(insertBefore(graph, [], 0, step("n")).map((it) => it.depends_on)).toEqual([[], ["n"], ["a"], ["b"]]);
  expect(insertBefore([step("a")], [], 0, step("n"))).toEqual([step("n"), step("a")]);
  const mixed = [step("z", { depends_on: ["y"] }), step("y", { depends_on: [] })];
  expect(toSequence(mixed, [])).toEqual([step("y"), step("z")]);
  const circle = [step("p", { depends_on: ["q"] }), step("q", { depends_on: ["p"] })];
  expect(ids(toSequence(circle, []))).toEqual(["q", "p"]);
});

test("what named an entry names it by its new name", () => {
  const steps = [
    step("new_a"),
    step("b", {
      depends_on: ["a"],
      output: { x: { $: "/steps/a/output" }, y: { $: "/steps/ab/output" }, z: "/steps/a" },
      input: { $template: "{{ steps.a.output.total }} a steps.a {{ steps.ab.output }}" },
    }),
    { id: "ask", type: "approval", message: "Pay {{ steps.a.output }}?" },
  ];
  expect(rename(steps, "a", "new_a").slice(1)).toEqual([
    step("b", {
      depends_on: ["new_a"],
      output: { x: { $: "/steps/new_a/output" }, y: { $: "/steps/ab/output" }, z: "/steps/a" },
      input: { $template: "{{ steps.new_a.output.total }} a steps.a {{ steps.ab.output }}" },
    }),
    { id: "ask", type: "approval", message: "Pay {{ steps.new_a.output }}?" },
  ]);
  // Another one has that name already: what names it means that one.
  const taken = [step("b"), step("b"), step("c", { depends_on: ["a"], input: { $: "/steps/b/output" } })];
  expect(rename(taken, "a", "b")).toBe(taken);
  expect(rename(steps, "a", "a")).toBe(steps);
  // Another one has the name that was given up.
  expect(rename([...steps, step("a")], "a", "new_a")).toHaveLength(4);
  expect(rename([...steps, step("a")], "a", "new_a")[1]).toBe(steps[1]);
});

test("a new entry of each type has a name of its own and the members that it needs", () => {
  expect(freeId(STEPS, "undo")).toBe("undo_2");
  for (const type of TYPES) {
    const made = newEntry(STEPS, type);
    expect(made.type).toBe(type);
    expect(made.id).toMatch(/^[a-z_]+$/);
  }
  const other = retyped(STEPS, step("a", { depends_on: ["b"] }), "sleep");
  expect(other).toEqual({ id: "a", depends_on: ["b"], type: "sleep", duration_ms: 60_000 });
});

test("the lists that there are, with what each is in", () => {
  expect(listsOf(STEPS).map((it) => [keyOf(it.path), it.id, it.part])).toEqual([
    ["", "", ""],
    ["1/branches/left", "both", "left"],
    ["1/branches/x~1y", "both", "x/y"],
  ]);
});
