import { expect, test } from "vitest";
import { type Node, pathOf } from "./drawing";
import { allOf, type Entry, keyOf, pathOfKey, placeWords, pointerTo, rowsOf } from "./entry";
import { layoutOf, nextTo } from "./layout";

const step = (id: string, more: Entry = {}): Entry => ({ id, type: "mapping", output: 1, ...more });
const after = (id: string, ...depends_on: string[]) => step(id, { depends_on });

const REFUND: Entry[] = [
  step("fetch", { type: "tool", tool: "get_order", compensate: step("undo") }),
  {
    id: "route",
    type: "conditional",
    cases: [
      { when: { op: "gt", left: { $: "/input/total" }, right: 100 }, then: [step("ask"), step("note")] },
    ],
  },
  {
    id: "both",
    type: "parallel",
    branches: { mail: [step("mail")], log: [{ id: "each", type: "foreach", items: [], do: [step("line")] }] },
  },
  step("end"),
];

const named = (nodes: readonly Node[]) => Object.fromEntries(nodes.map((it) => [it.id, it]));
const middle = (it: Node | undefined) => (it ? it.x + it.width / 2 : Number.NaN);

/** The names of nodes that cover each other, though neither holds the other. */
function covered(steps: readonly Entry[]): string[] {
  const { nodes } = layoutOf(steps);
  return nodes.flatMap((a, at) =>
    nodes
      .slice(at + 1)
      .filter(
        (b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height,
      )
      .map((b) => `${a.id} ${b.id}`),
  );
}

test("entries follow each other from above to below, on one line", () => {
  const { nodes, edges } = layoutOf([step("a"), step("b"), step("c")]);
  const { a, b, c } = named(nodes);
  expect(new Set([middle(a), middle(b), middle(c)]).size).toBe(1);
  expect((a?.y ?? 0) < (b?.y ?? 0) && (b?.y ?? 0) < (c?.y ?? 0)).toBe(true);
  expect(edges.map((it) => [it.from, it.to])).toEqual([
    ["a", "b"],
    ["b", "c"],
  ]);
});

test("all that an entry holds is in its box, and nothing covers anything else", () => {
  const { nodes, labels, gaps, width, height } = layoutOf(REFUND);
  const { route, both, each, line, undo, fetch } = named(nodes);
  const isIn = (inner: Node | undefined, outer: Node | undefined) => {
    const box = outer?.box;
    return (
      inner !== undefined &&
      box !== null &&
      box !== undefined &&
      inner.x >= box.x &&
      inner.y >= box.y &&
      inner.x + inner.width <= box.x + box.width &&
      inner.y + inner.height <= box.y + box.height
    );
  };
  expect(isIn(each, both) && isIn(line, each) && isIn(line, both)).toBe(true);
  expect(isIn(line, route)).toBe(false);
  expect(covered(REFUND)).toEqual([]);
  expect(undo?.y).toBe(fetch?.y);
  expect(undo?.makesUp).toBe(true);
  expect(labels.map((it) => it.text)).toEqual(["/input/total > 100", "otherwise", "mail", "log"]);
  expect(gaps.map((it) => keyOf(it.path))).toEqual(["1/otherwise"]);
  for (const it of nodes) {
    expect(it.x).toBeGreaterThanOrEqual(0);
    expect(it.x + it.width).toBeLessThanOrEqual(width);
    expect(it.y + it.height).toBeLessThanOrEqual(height);
  }
});

test("in a graph each entry stands below all that it waits for", () => {
  const steps = [step("a"), after("b"), after("c", "a"), after("d", "c", "b"), after("e", "a", "d")];
  const { nodes, edges } = layoutOf(steps);
  const at = named(nodes);
  for (const [before, then] of [
    ["a", "c"],
    ["c", "d"],
    ["b", "d"],
    ["d", "e"],
  ] as const)
    expect(at[before]?.y ?? 0).toBeLessThan(at[then]?.y ?? 0);
  expect(at.a?.y).toBe(at.b?.y);
  expect(covered(steps)).toEqual([]);
  // The line that passes others has all of its pieces under one name.
  expect(edges.filter((it) => it.from === "a" && it.to === "e")).toHaveLength(5);
});

test("a line that passes entries goes beside them", () => {
  const { nodes, edges } = layoutOf([step("a"), after("b", "a"), after("c", "b"), after("d", "a", "c")]);
  const { b, c } = named(nodes);
  const passing = edges.filter((it) => it.from === "a" && it.to === "d").flatMap((it) => it.points);
  for (const node of [b, c])
    for (const { x, y } of passing) {
      if (!node || y <= node.y || y >= node.y + node.height) continue;
      expect(x < node.x || x > node.x + node.width).toBe(true);
    }
});

test("what simply follows in a graph stands straight below, and what waits for two between them", () => {
  const { nodes } = layoutOf([
    after("a"),
    after("b"),
    after("c", "a"),
    after("d", "b"),
    after("e", "c", "d"),
  ]);
  const { a, b, c, d, e } = named(nodes);
  expect(middle(c)).toBeCloseTo(middle(a));
  expect(middle(d)).toBeCloseTo(middle(b));
  expect(middle(e)).toBeCloseTo((middle(c) + middle(d)) / 2);
});

test("what is typed may be anything, and is drawn", () => {
  const broken = [
    { id: "a", type: "parallel" },
    { id: "a", type: "conditional", cases: [null, { then: "x" }] },
    { type: "foreach", do: [{}] },
    { id: 7, type: 8, depends_on: ["a", "nowhere", 3] },
    {},
  ] as Entry[];
  const { nodes } = layoutOf(broken);
  expect(nodes).toHaveLength(6);
  expect(layoutOf([]).gaps).toHaveLength(1);
});

test("entries that wait for each other are drawn all the same", () => {
  const { nodes } = layoutOf([after("a", "c"), after("b", "a"), after("c", "b"), after("d", "d")]);
  expect(nodes.map((it) => it.id).sort()).toEqual(["a", "b", "c", "d"]);
});

test("a thousand entries are laid out while nobody waits", () => {
  const steps = Array.from({ length: 1000 }, (_, at) =>
    after(`e${at}`, ...(at > 2 ? [`e${at - 1}`, `e${Math.floor(at / 2)}`] : [])),
  );
  const from = performance.now();
  expect(layoutOf(steps).nodes).toHaveLength(1000);
  expect(performance.now() - from).toBeLessThan(4000);
});

test("arrows lead to what is beside", () => {
  const { nodes } = layoutOf(REFUND);
  const at = named(nodes);
  const to = (id: string, direction: "up" | "down" | "left" | "right") =>
    nextTo(nodes, at[id] as Node, direction)?.id;
  expect(to("fetch", "down")).toBe("route");
  expect(to("fetch", "right")).toBe("undo");
  expect(to("undo", "left")).toBe("fetch");
  expect(to("note", "up")).toBe("ask");
  expect(to("mail", "right")).toBe("each");
  expect(to("fetch", "up")).toBeUndefined();
});

test("a way to an entry is a text, a pointer, and a way again", () => {
  const found = allOf(REFUND).map((it) => keyOf(it.path));
  expect(found).toEqual([
    "0",
    "0/compensate",
    "1",
    "1/cases/0/then/0",
    "1/cases/0/then/1",
    "2",
    "2/branches/mail/0",
    "2/branches/log/0",
    "2/branches/log/0/do/0",
    "3",
  ]);
  expect(found.map((it) => keyOf(pathOfKey(it)))).toEqual(found);
  expect(allOf(REFUND).map(placeWords).filter(Boolean)).toEqual([
    "makes up for fetch",
    "in route case 1",
    "in route case 1",
    "in both mail",
    "in both log",
    "in each",
  ]);
  expect(keyOf([0, "branches", "a/b~c", 1])).toBe("0/branches/a~1b~0c/1");
  expect(pathOfKey("0/branches/a~1b~0c/1")).toEqual([0, "branches", "a/b~c", 1]);
  expect(pointerTo([0, "do", 2])).toBe("/steps/0/do/2");
});

test("whoever waits for others by name says so", () => {
  const steps = [after("a"), after("b", "a"), { ...after("c", "a", "b"), compensate: step("undo") }];
  expect(allOf(steps).map(placeWords)).toEqual(["", "after a", "after a, b", "makes up for c"]);
  const within = { id: "both", type: "parallel", branches: { x: [after("d"), after("e", "d")] } };
  expect(allOf([within]).map(placeWords)).toEqual(["", "in both x", "in both x, after d"]);
});

test("the list has each part, also one in which there is nothing", () => {
  const words = rowsOf(REFUND).map((it) => ("part" in it ? `- ${it.part.name}` : it.entry.id));
  expect(words).toEqual([
    ...["fetch", "undo", "route", "- case 1", "ask", "note", "- otherwise"],
    ...["both", "- mail", "mail", "- log", "each", "- ", "line", "end"],
  ]);
  const gaps = layoutOf(REFUND).gaps.map((it) => keyOf(it.path));
  const empty = rowsOf(REFUND).flatMap((it) =>
    "part" in it && it.part.entries.length === 0 ? [keyOf(it.path)] : [],
  );
  expect(empty).toEqual(gaps);
});

test("a line bends round", () => {
  const points = [
    { x: 0, y: 0 },
    { x: 0, y: 20 },
    { x: 100, y: 20 },
    { x: 100, y: 60 },
  ];
  expect(pathOf(points)).toBe("M0 0L0 10Q0 20 12 20L88 20Q100 20 100 32L100 60");
  expect(pathOf([])).toBe("");
});
