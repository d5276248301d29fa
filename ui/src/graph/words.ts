import { duration } from "../kit/format";
import type { Kind } from "../kit/Marks";
import { type Entry, isObject, partsOf, textOf, Unread } from "./entry";

/** A value in a few words: what it reads, or what it is. */
export function valueWords(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value instanceof Unread) return value.text;
  if (Array.isArray(value)) return value.length === 0 ? "[]" : `${value.length} in a list`;
  if (!isObject(value)) return JSON.stringify(value);
  if (typeof value.$ === "string") return value.$;
  if (typeof value.$template === "string") return JSON.stringify(value.$template);
  if (Array.isArray(value.$first)) return `first of ${value.$first.map(valueWords).join(", ")}`;
  if ("$literal" in value) return JSON.stringify(value.$literal);
  return JSON.stringify(value);
}

const SIGNS: Readonly<Record<string, string>> = {
  eq: "=",
  ne: "≠",
  lt: "<",
  lte: "≤",
  gt: ">",
  gte: "≥",
  in: "in",
  contains: "contains",
};

/** A predicate in words: `/input/total > 100 and not /input/paid`. */
export function predicateWords(value: unknown, isInner = false): string {
  if (!isObject(value)) return "no rule yet";
  const { op } = value;
  if (op === "and" || op === "or") {
    const args = Array.isArray(value.args) ? value.args : [];
    if (args.length === 0) return op === "and" ? "always" : "never";
    const text = args.map((it) => predicateWords(it, args.length > 1)).join(` ${op} `);
    return isInner && args.length > 1 ? `(${text})` : text;
  }
  if (op === "not") return `not ${predicateWords(value.arg, true)}`;
  if (op === "exists") return `${valueWords(value.value)} is there`;
  if (op === "truthy") return `${valueWords(value.value)} is true or not empty`;
  const sign = SIGNS[textOf(op)];
  return sign ? `${valueWords(value.left)} ${sign} ${valueWords(value.right)}` : "no rule yet";
}

const KINDS: Readonly<Record<string, Kind>> = {
  agent: "agent",
  tool: "tool",
  workflow: "workflow",
  step: "step",
  mapping: "mapping",
  parallel: "parallel",
  conditional: "conditional",
  foreach: "foreach",
  loop: "loop",
  sleep: "sleep",
  sleep_until: "sleep",
  wait_for_event: "event",
  approval: "approval",
  script: "script",
  fail: "fail",
};

/** The mark of an entry of a type. */
export const markOf = (type: unknown): Kind => KINDS[textOf(type)] ?? "step";

/** What an entry does, in a few words. */
export function whatOf(entry: Entry): string {
  switch (entry.type) {
    case "agent":
    case "tool":
    case "workflow":
    case "step": {
      const name = textOf(entry[entry.type]) || "none chosen";
      return `${entry.type} ${name}${typeof entry.version === "number" ? ` v${entry.version}` : ""}`;
    }
    case "mapping":
      return `gives ${isObject(entry.output) && !isSpecial(entry.output) ? `{ ${Object.keys(entry.output).join(", ")} }` : valueWords(entry.output)}`;
    case "parallel": {
      const count = partsOf(entry)?.length ?? 0;
      return `${count} at once, ${entry.fail_fast === false ? "all to their end" : "the first failure ends all"}`;
    }
    case "conditional":
      return "the first that holds";
    case "foreach":
      return `for each of ${valueWords(entry.items)}${Number(entry.concurrency) > 1 ? `, ${entry.concurrency} at once` : ""}`;
    case "loop": {
      const most = entry.max_iterations === undefined ? "" : `, ${entry.max_iterations} turns at most`;
      return entry.until === undefined
        ? `while ${predicateWords(entry.while)}${most}`
        : `until ${predicateWords(entry.until)}${most}`;
    }
    case "sleep":
      return `sleeps ${typeof entry.duration_ms === "number" ? long(entry.duration_ms) : valueWords(entry.duration_ms)}`;
    case "sleep_until":
      return `sleeps until ${typeof entry.until === "string" ? entry.until : valueWords(entry.until)}`;
    case "wait_for_event":
      return `waits for ${textOf(entry.event) || "an event"}`;
    case "approval":
      return `asks a person, ${long(typeof entry.timeout_ms === "number" ? entry.timeout_ms : DAY)} at most`;
    case "script":
      return "script";
    case "fail":
      return `fails: ${textOf(entry.message)}`;
    default:
      return textOf(entry.type) || "of no type yet";
  }
}

const DAY = 86_400_000;

/** A length of time without what is nothing of it: `1 d`. */
const long = (ms: number) => duration(ms).replace(/ 0+ \w$/, "");

/** Whether an object is no plain JSON but says how to make a value. */
export const isSpecial = (value: unknown): value is Record<string, unknown> =>
  isObject(value) && Object.keys(value).some((it) => it.startsWith("$"));
