import { expect, test } from "vitest";
import type { Approval } from "../api/types";
import { argumentsOf, asksFor, msLeft, questionOf, reasonOf } from "./decision";

const approval = (more: Partial<Approval>) =>
  ({
    kind: "tool_call",
    tool: { name: "refund", version: 4 },
    arguments: {},
    expires_at: "2026-11-25T10:30:00Z",
    ...more,
  }) as Approval;

test("the question is that of the approval, or says what would be done", () => {
  expect(questionOf(approval({ message: "Refund 40?" }))).toBe("Refund 40?");
  expect(questionOf(approval({}))).toBe("Let refund be called?");
  expect(questionOf(approval({ kind: "unknown_effect" }))).toBe("What became of the call of refund?");
  const consent = approval({
    kind: "consent",
    message: null,
    consent: { upstream: "github", url: "https://agents.example.com/mcp/consent/github" },
  });
  expect(questionOf(consent)).toBe("Let github be used in a person's name?");
  expect(reasonOf(consent)).toMatch(/github wants that person to agree/);
  expect(reasonOf(approval({}))).toMatch(/Nothing has been sent/);
  expect(reasonOf(approval({ kind: "unknown_effect" }))).toMatch(/may have been done/);
});

test("arguments are shown as they are", () => {
  expect(argumentsOf(approval({ arguments: { a: "x", n: 4, o: { b: [1] } } as never }))).toEqual([
    ["a", "x"],
    ["n", "4"],
    ["o", '{\n "b": [\n  1\n ]\n}'],
  ]);
});

test("time runs out and not beyond", () => {
  expect(msLeft(approval({}), Date.parse("2026-11-25T10:29:00Z"))).toBe(60_000);
  expect(msLeft(approval({}), Date.parse("2026-11-26T10:29:00Z"))).toBe(0);
});

test("a step of a workflow says what comes of silence, and what it wants with an answer", () => {
  const step = approval({ kind: "step", message: "Refund 40?", on_timeout: "fail", arguments: [1] as never });
  expect(reasonOf(step)).toMatch(/its run fails/);
  expect(argumentsOf(step)).toEqual([["input", "[\n 1\n]"]]);
  expect([asksFor(step), asksFor({ ...step, payload_schema: { type: "object" } as never })]).toEqual([
    false,
    true,
  ]);
});
