import { expect, test } from "vitest";
import type { WorkflowContent } from "../api/types";
import { Unread } from "../graph/entry";
import {
  bodyOf,
  contentOf,
  draftOf,
  jsonTyped,
  NEW_DRAFT,
  numberTyped,
  secondsText,
  secondsTyped,
} from "./draft";

const CONTENT = {
  name: "refund",
  display_name: "Refund",
  description: "Gives money back.",
  input_schema: { type: "object", properties: { id: { type: "string" } } },
  output_schema: null,
  steps: [
    { id: "fetch", type: "tool", tool: "get_order", input: { id: { $: "/input/id" } }, timeout_ms: 1500 },
  ],
  output: { $: "/steps/fetch/output" },
  triggers: [{ type: "cron", cron: "0 9 * * *" }],
  limits: { max_steps: 50, max_tokens: null, max_cost_usd: 0.5, max_parallel: 4, timeout_ms: 90_500 },
  scopes: ["workflow.execute"],
  metadata: { team: "shop" },
} as unknown as WorkflowContent;

test("what was read is what is sent, if nobody changes it", () => {
  expect(bodyOf(draftOf(contentOf(CONTENT)))).toEqual({ body: CONTENT });
  const { output: _, triggers: __, ...less } = CONTENT as unknown as Record<string, unknown>;
  const made = bodyOf(draftOf(contentOf({ ...less, output: null } as unknown as WorkflowContent)));
  expect(made).toEqual({ body: { ...less, output: null } });
});

test("what is read beside the content is not sent", () => {
  const read = { ...CONTENT, id: "1", version: 3, problems: [] } as unknown as WorkflowContent;
  expect(Object.keys(contentOf(read))).not.toContain("version");
});

test("what cannot be read is said where it stands, all at once", () => {
  const draft = {
    ...draftOf(CONTENT),
    input_schema: "[",
    timeout_s: "soon",
    output: new Unread("{", "Line 1"),
    steps: [
      { id: "a", type: "parallel", branches: { "x/y": [{ id: "b", timeout_ms: numberTyped("1.5") }] } },
    ],
  };
  const found = bodyOf(draft);
  expect("errors" in found && Object.keys(found.errors).sort()).toEqual([
    "/input_schema",
    "/limits/timeout_ms",
    "/output",
    "/steps/0/branches/x~1y/0/timeout_ms",
  ]);
});

test("numbers, seconds and JSON are read, or kept as they were typed", () => {
  expect(numberTyped(" ")).toBeUndefined();
  expect(numberTyped("12")).toBe(12);
  expect(numberTyped("1.5", false)).toBe(1.5);
  expect(numberTyped("12 s")).toEqual(new Unread("12 s", "A whole number."));
  expect(secondsTyped("1.5")).toBe(1500);
  expect(secondsText(1500)).toBe("1.5");
  expect(secondsText(secondsTyped("soon"))).toBe("soon");
  expect(jsonTyped('{"a": [1]}')).toEqual({ a: [1] });
  expect(jsonTyped("null")).toBeNull();
  expect(jsonTyped("{")).toBeInstanceOf(Unread);
});

test("a new workflow can be sent as soon as it has a name", () => {
  expect(bodyOf(NEW_DRAFT)).toHaveProperty("body.steps.0.id", "first");
});
