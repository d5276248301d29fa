import { expect, test } from "vitest";
import type { ToolContent } from "../api/types";
import { bodyOf, draftOf, newDraft, type ToolDraft } from "./draft";
import { KINDS } from "./search";

const COMMON = {
  name: "refund",
  display_name: "Refund",
  description: "Gives money back.",
  input_schema: { type: "object", properties: { id: { type: "string" } } },
  output_schema: null,
  execute_code: null,
  effect: "effect",
  approval: { when: { op: "gt", left: { $: "/arguments/amount" }, right: 100 } },
  timeout_ms: 1500,
  retry: { max: 0, backoff_ms: 500 },
  scopes: ["tool.execute", "shop.refund"],
  metadata: { team: "shop" },
};

const TOOLS: Partial<ToolContent>[] = [
  {
    kind: "http",
    config: {
      method: "POST",
      url: "https://api.example.com/v1/orders/{{ input.id }}",
      query: { page: "{{ input.page }}", lines: { $: "/input/lines" } },
      headers: { "x-a": "b" },
      body: "text as it is",
      auth: { type: "oauth", token_url: "https://a.example/t", client_id: "c", secret: "s", scope: "x y" },
      response: { pointer: "/data", success: ["200", "404"] },
      allow_http: false,
      hosts: ["cdn.example.com"],
    },
  },
  {
    kind: "javascript",
    execute_code: "return 1;",
    config: { hosts: ["a.example"], secrets: ["k"], memory_mb: 32 },
  },
  { kind: "static", config: { result: [1, "2", null] } },
  { kind: "template", config: { template: "Dear {{ input.name }}" } },
  { kind: "agent", config: { agent: "support" } },
  { kind: "workflow", config: { workflow: "refund" } },
  {
    kind: "rag",
    config: {
      databases: ["handbook"],
      mode: "keyword",
      top_k: 3,
      filter: { lang: "en" },
      rerank: { model: "m" },
    },
  },
] as never;

test.each(TOOLS)("what was read of kind $kind is what is sent, if nobody changes it", (tool) => {
  const content = { ...COMMON, ...tool } as unknown as ToolContent;
  expect(bodyOf(draftOf(content))).toEqual({ body: content });
});

test("of a kind that is not made here, all of its configuration is kept", () => {
  const content = { ...COMMON, kind: "mcp", config: { server: "github", tool: "create_issue" } };
  expect(bodyOf(draftOf(content as never))).toEqual({ body: content });
});

test("what cannot be read is said at its field, all at once", () => {
  const draft: ToolDraft = {
    ...newDraft("http"),
    input_schema: "[",
    body: "{",
    timeout_s: "soon",
    retries: "1.5",
    approval: "when",
    when: "7",
  };
  const found = bodyOf(draft);
  expect("errors" in found && Object.keys(found.errors).sort()).toEqual([
    "/approval",
    "/config/body",
    "/input_schema",
    "/retry/max",
    "/timeout_ms",
  ]);
});

test("only what a way of proving oneself has is sent", () => {
  const draft = newDraft("http");
  const config = (auth: Partial<ToolDraft["auth"]>) => {
    const made = bodyOf({ ...draft, auth: { ...draft.auth, secret: "s", scope: "", ...auth } });
    return "body" in made && (made.body.config as { auth: unknown }).auth;
  };
  expect(config({ type: "none" })).toEqual({ type: "none" });
  expect(config({ type: "bearer" })).toEqual({ type: "bearer", secret: "s" });
  expect(config({ type: "exchange", audience: "https://a.example" })).toEqual({
    type: "exchange",
    audience: "https://a.example",
  });
});

test("what a new tool begins with can be sent, whatever its kind", () => {
  for (const kind of KINDS) expect(bodyOf(newDraft(kind))).toHaveProperty("body.kind", kind);
});
