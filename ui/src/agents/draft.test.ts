import { expect, test } from "vitest";
import { bodyOf, draftOf, NEW_DRAFT } from "./draft";

const AGENT = {
  name: "support",
  display_name: "Support",
  description: "",
  instructions: "You help.",
  model: ["openai/gpt-5", "demo/scripted"],
  model_options: {
    temperature: 0.5,
    top_p: null,
    max_output_tokens: 100,
    reasoning_effort: "low",
    tool_choice: { name: "refund" },
    parallel_tool_calls: false,
    provider: { seed: 7 },
  },
  tools: [
    "current_time",
    { name: "refund", approval: "always", approver_scope: "desk.lead", on_timeout: "reject" },
    { name: "pay", approval: { when: { op: "gt", left: { $: "/arguments/amount" }, right: 100 } } },
  ],
  agents: ["other"],
  workflows: [],
  rag_databases: ["handbook"],
  memory: { last_messages: 5, max_tokens: 4000 },
  context_schema: { type: "object" },
  output_schema: null,
  limits: {
    max_steps: 5,
    max_tokens: null,
    max_cost_usd: 0.25,
    max_parallel_tool_calls: 4,
    timeout_ms: 90_500,
  },
  scopes: ["agent.execute"],
  metadata: { team: "shop" },
};

test("what was read is what is sent, if nobody changes it", () => {
  expect(bodyOf(draftOf(AGENT as never))).toEqual({ body: AGENT });
});

test("a new agent has the defaults of the server", () => {
  const sent = bodyOf({ ...NEW_DRAFT, name: "a", display_name: "A", instructions: "b" });
  expect(sent).toMatchObject({
    body: {
      model: null,
      tools: [],
      limits: { max_steps: 20, timeout_ms: 600_000 },
      memory: { last_messages: 20 },
    },
  });
});

test("what cannot be read is said at its field, all at once", () => {
  const draft = {
    ...draftOf(AGENT as never),
    temperature: "warm",
    max_steps: "1.5",
    output_schema: "{",
    tools: [{ name: "pay", approval: "when" as const, when: "[" }],
  };
  const found = bodyOf(draft);
  expect("errors" in found && Object.keys(found.errors).sort()).toEqual([
    "/limits/max_steps",
    "/model_options/temperature",
    "/output_schema",
    "/tools/0",
  ]);
});
