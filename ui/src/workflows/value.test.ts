import { expect, test } from "vitest";
import { Unread } from "../graph/entry";
import { NEW_RULE, OPS, opOf, shapeOf, withOp } from "./predicate";
import { canShow, changedTo, modeOf, textShown, textTyped } from "./value";

test("each value is shown as what it is", () => {
  expect(modeOf(undefined)).toBe("none");
  expect(modeOf({ $: "/input" })).toBe("reads");
  expect(modeOf("text")).toBe("text");
  expect(modeOf({ $template: "{{ input.a }}" })).toBe("text");
  expect(modeOf({ a: { $: "/input" } })).toBe("members");
  for (const it of [null, 7, [1], { $first: [] }, { $literal: 1 }, { $: 7 }, { $: "/a", b: 1 }])
    expect(modeOf(it)).toBe("json");
  expect(modeOf(new Unread("{", "no"))).toBe("json");
  // It would become a template as soon as somebody types.
  expect(modeOf("{{ input.a }}")).toBe("json");
  expect(canShow("text", "{{ input.a }}")).toBe(false);
  expect(canShow("text", "{{ input.a }}", true)).toBe(true);
  for (const it of [undefined, 7, new Unread("soon", "no")]) expect(canShow("seconds", it)).toBe(true);
  for (const it of ["7", { $: "/input/n" }, [7]]) expect(canShow("seconds", it)).toBe(false);
  expect(canShow("json", { a: 1 })).toBe(true);
  expect(canShow("json", undefined)).toBe(false);
  expect(canShow("members", "text")).toBe(false);
});

test("what is begun another way can be shown so", () => {
  for (const mode of ["none", "reads", "text", "members"] as const)
    for (const value of [undefined, 7, "x", { a: 1 }, new Unread("{", "no")])
      expect(modeOf(changedTo(mode, value))).toBe(mode);
  expect(changedTo("text", 7)).toBe("7");
  expect(changedTo("text", "{{ input.a }}")).toEqual({ $template: "{{ input.a }}" });
  expect(changedTo("seconds", { $: "/input/n" })).toBe(60_000);
  expect(changedTo("json", new Unread("{", "no"))).toBeNull();
});

test("a text with places to fill in is a template, and shown as it was typed", () => {
  expect(textTyped("Hello")).toBe("Hello");
  expect(textTyped("Hello {{ input.name }}")).toEqual({ $template: "Hello {{ input.name }}" });
  for (const text of ["", "Hello", "Hello {{ input.name }}"]) expect(textShown(textTyped(text))).toBe(text);
});

test("a rule of another kind keeps what both have, and is whole", () => {
  const gt = { op: "gt", left: { $: "/input/n" }, right: 100 };
  expect(withOp(gt, "lt")).toEqual({ ...gt, op: "lt" });
  expect(withOp(gt, "exists")).toEqual({ op: "exists", value: { $: "/input/n" } });
  expect(withOp(gt, "and")).toEqual({ op: "and", args: [gt] });
  expect(withOp(gt, "not")).toEqual({ op: "not", arg: gt });
  expect(withOp({ op: "not", arg: gt }, "or")).toEqual({ op: "or", args: [gt] });
  expect(withOp({ op: "and", args: [gt] }, "not")).toEqual({ op: "not", arg: gt });
  for (const from of [...OPS.map((op) => withOp(NEW_RULE, op)), 7, {}, { op: "xor" }])
    for (const op of OPS) {
      const made = withOp(from, op);
      expect(opOf(made)).toBe(op);
      const members = { compare: ["left", "right"], value: ["value"], args: ["args"], arg: ["arg"] }[
        shapeOf(op)
      ];
      for (const it of members) expect(made[it]).not.toBeUndefined();
    }
});
