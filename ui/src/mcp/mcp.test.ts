import { expect, test } from "vitest";
import { means, offersOf } from "./offered";
import { CLIENTS, connect } from "./snippets";

test("a pattern means a name, all that begin so, or all", () => {
  expect(means(["order_*", "refund"], "Order_read")).toBe(true);
  expect(means(["order_*", "refund"], "REFUND")).toBe(true);
  expect(means(["order_*", "refund"], "refunds")).toBe(false);
  expect(means(["*"], "x")).toBe(true);
  expect(means([], "x")).toBe(false);
});

test("what is shown has its name on the wire, and a tool goes before what is made", () => {
  const named = (name: string, more: object = {}) => ({ name, description: `d ${name}`, ...more });
  const offers = offersOf(
    { tools: ["*"], agents: ["support"], workflows: ["re*"], rag_databases: ["handbook"] },
    {
      tools: [
        named("refund", { scopes: ["shop"] }),
        named("off", { is_active: false }),
        named("search_handbook"),
      ],
      agents: [named("support", { scopes: ["agent.execute"] }), named("hidden")],
      workflows: [named("refund"), named("other")],
      databases: [named("handbook"), named("other")],
    },
  );
  expect(offers.map((it) => `${it.name} ${it.is} ${it.takes.join("+")}`)).toEqual([
    "ask_support agent agent.execute",
    "refund tool tool.execute+shop",
    "run_refund workflow workflow.execute",
    "search_handbook tool tool.execute",
  ]);
});

test("no database is shown unless somebody says so", () => {
  const there = { tools: [], agents: [], workflows: [], databases: [{ name: "handbook", description: "" }] };
  expect(offersOf({}, there)).toEqual([]);
});

test("each client gets the address, and what is JSON is JSON", () => {
  for (const client of CLIENTS) {
    const { code, isJson } = connect(client, "https://a.example/x", "My shop");
    expect(code).toContain("https://a.example/x");
    if (isJson) expect(Object.values(JSON.parse(code))[0]).toHaveProperty("my-shop");
  }
});
