import { expect, test } from "vitest";
import type { Upstream, UpstreamTool } from "./queries";
import { bodyOf, contentOf, draftOf, stateOf, takenWords, toolState } from "./upstream";

const CONTENT = {
  name: "tracker",
  display_name: "Tracker",
  description: "Issues.",
  url: "https://tracker.example/mcp",
  auth: { type: "oauth", token_url: "https://a.example/t", client_id: "c", secret: "s", scope: "x" },
  allow: ["list_*"],
  timeout_ms: 1500,
  max_result_bytes: 2048,
  scopes: ["tool.execute"],
  metadata: { team: "shop" },
};

test("what was read is what is sent, if nobody changes it", () => {
  const read = { ...CONTENT, id: "u", version: 3, state: "connected", tools: [] } as unknown as Upstream;
  expect(bodyOf(draftOf(contentOf(read)))).toEqual({ body: CONTENT });
});

test("a way of proving oneself that is not known here stays as it is", () => {
  const auth = { type: "user", authorization_server: "https://a.example" };
  const made = bodyOf(draftOf({ ...CONTENT, auth } as never));
  expect(made).toMatchObject({ body: { auth } });
});

test("members that have no field stay as they are", () => {
  const made = bodyOf(draftOf({ ...CONTENT, command: ["node"] } as never));
  expect(made).toMatchObject({ body: { command: ["node"] } });
});

test("what cannot be read is said where it stands", () => {
  const made = bodyOf({ ...draftOf(CONTENT as never), timeout_s: "soon", metadata: "[" });
  expect(Object.keys("errors" in made ? made.errors : {})).toEqual(["/timeout_ms", "/metadata"]);
});

test("an upstream is told in a word, also by a later server", () => {
  expect(stateOf({ is_active: true, state: "changed" })).toEqual(["warn", "changed"]);
  expect(stateOf({ is_active: false, state: "failing" })).toEqual(["line", "inactive"]);
  expect(stateOf({ is_active: true, state: "asleep" as never })).toEqual(["line", "asleep"]);
});

test("a tool is told in a word, and how many were taken in", () => {
  const tool = (more: Partial<UpstreamTool>): UpstreamTool => ({
    name: "a",
    tool: "t__a",
    pinned: true,
    changed: false,
    problem: null,
    offered: null,
    ...more,
  });
  const offered = { description: "", input_schema: {}, output_schema: null };
  const tools = [
    tool({}),
    tool({ changed: true, offered }),
    tool({ changed: true }),
    tool({ pinned: false, problem: "its name is taken" }),
    tool({ problem: "the server is switched off" }),
  ];
  expect(tools.map((it) => toolState(it)[1])).toEqual([
    "taken in",
    "changed",
    "gone",
    "not taken in",
    "not used",
  ]);
  expect(takenWords(tools)).toBe("4 of 5 tools");
  expect(takenWords(tools.slice(0, 1))).toBe("1 tool");
});
