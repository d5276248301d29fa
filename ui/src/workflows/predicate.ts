import { isObject } from "../graph/entry";

export const COMPARISONS = ["eq", "ne", "lt", "lte", "gt", "gte", "in", "contains"] as const;
export const OPS = [...COMPARISONS, "exists", "truthy", "and", "or", "not"] as const;
export type Op = (typeof OPS)[number];

export const opOf = (value: unknown): Op | null =>
  (isObject(value) && OPS.find((it) => it === value.op)) || null;

/** What an op has beside its name. */
export const shapeOf = (op: Op): "compare" | "value" | "args" | "arg" => {
  if (op === "and" || op === "or") return "args";
  if (op === "not") return "arg";
  return op === "exists" || op === "truthy" ? "value" : "compare";
};

export const NEW_RULE = { op: "truthy", value: { $: "/previous" } };

/** The same rule with another op: what both have stays. */
export function withOp(value: unknown, op: Op): Record<string, unknown> {
  const before = opOf(value);
  const it = isObject(value) ? value : {};
  const [from, to] = [before && shapeOf(before), shapeOf(op)];
  if (from === to) return { ...it, op };
  const rule = before ? it : NEW_RULE;
  const operand = from === "compare" ? it.left : from === "value" ? it.value : { $: "/previous" };
  switch (to) {
    case "compare":
      return { op, left: operand, right: 0 };
    case "value":
      return { op, value: operand };
    case "args":
      return { op, args: from === "arg" ? [it.arg] : [rule] };
    default:
      return {
        op,
        arg: from === "args" && Array.isArray(it.args) && it.args.length === 1 ? it.args[0] : rule,
      };
  }
}
