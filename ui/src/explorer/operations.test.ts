import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fieldsOf } from "../parts/schema";
import { curlOf, missing, operationsOf, requestOf } from "./operations";

const DOCUMENT = JSON.parse(readFileSync(new URL("../../../openapi.json", import.meta.url), "utf8"));
const ALL = operationsOf(DOCUMENT);
const named = (id: string) => {
  const found = ALL.find((it) => it.id === id);
  if (!found) throw new Error(`there is no ${id}`);
  return found;
};

test("every operation of our document can be found by its id", () => {
  const ids = ALL.map((it) => it.id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.length).toBeGreaterThan(100);
  expect(ALL.filter((it) => !it.summary || !it.tag)).toEqual([]);
});

test("an argument goes where it belongs", () => {
  const request = requestOf(named("list_rag_documents"), { id: "a b", limit: 5, cursor: "x/y" });
  expect(request).toEqual({ path: "/rag/databases/a%20b/documents?limit=5&cursor=x%2Fy", headers: {} });
  const changed = requestOf(named("change_agent"), { id: "support", "If-Match": '"3"' });
  expect(changed).toEqual({ path: "/agents/definitions/support", headers: { "If-Match": '"3"' } });
});

test("a body has fields, by references into the document", () => {
  const { body } = named("create_secret");
  expect(fieldsOf(body ?? {})?.map((it) => it.name)).toContain("hosts");
  expect(named("list_runs").body).toBeNull();
});

test("a command can be copied whatever is in it", () => {
  const execute = named("execute_agent");
  const request = requestOf(execute, { id: "support" });
  expect(curlOf("https://a.example", execute, request, { input: "It's" })).toBe(
    [
      "curl -s -X POST 'https://a.example/agents/support/execute'",
      '-H "Authorization: Bearer $TOKEN"',
      "--json '{\n  \"input\": \"It'\\''s\"\n}'",
    ].join(" \\\n  "),
  );
});

test("what is missing is said of the first way, unless another is open", () => {
  const read = named("read_stats");
  expect(missing(read, ["admin.read"])).toEqual([]);
  expect(missing(read, ["run.read"])).toEqual(["admin.read"]);
  expect(missing(named("health"), [])).toEqual([]);
});
