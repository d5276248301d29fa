import { expect, test } from "vitest";
import { snippet } from "./snippets";

const BODY = { input: 'it\'s "5" $HOME `ls`\n', context: { vip: true, note: null, tags: ["a"], none: {} } };
const of = (language: Parameters<typeof snippet>[0], kind: "agents" | "workflows" = "agents") =>
  snippet(language, "https://a.example", { kind, name: "support" }, BODY);

test("a shell reads back what was asked", () => {
  const curl = of("curl");
  const data = /-d '(.*)'\n$/s.exec(curl)?.[1]?.replaceAll("'\\''", "'");
  expect(JSON.parse(data ?? "")).toEqual(BODY);
  expect(curl).toContain("'https://a.example/agents/support/execute'");
});

test("TypeScript has the body as it is", () => {
  const body = /JSON\.stringify\(([\s\S]*?)\),\n\}\);/.exec(of("TypeScript"))?.[1];
  expect(JSON.parse(body ?? "")).toEqual(BODY);
});

test("Python has its own words for what is not", () => {
  expect(of("Python")).toMatch(
    /"vip": True,\n\s+"note": None,\n\s+"tags": \[\n\s+"a",\n\s+\],\n\s+"none": \{\},/,
  );
});

test("an agent answers with a text, a workflow with a value", () => {
  expect(of("TypeScript")).toContain("(run.output.text)");
  expect(of("TypeScript", "workflows")).toContain("(run.output)");
  expect(of("Python", "workflows")).toContain('(response)["output"])');
  expect(of("curl", "workflows")).toContain("'https://a.example/workflows/support/execute'");
});
