import { expect, test } from "vitest";
import type { Told } from "../api/asClient";
import { claimsOf, covers, pathOf, refusalOf, scopesOf, verdictOf } from "./simulate";

const told = (status: number, body: unknown = {}): Told => ({
  status,
  ms: 1,
  challenge: null,
  requestId: null,
  body,
});
const agent = { name: "support", is_active: true, scopes: ["agent.execute", "rfp.process"] };

test("claims are read of a token and of nothing else", () => {
  const part = btoa(JSON.stringify({ scope: "agent.read  run.read" })).replaceAll("=", "");
  expect(scopesOf(claimsOf(`a.${part}.b`))).toEqual(["agent.read", "run.read"]);
  expect([claimsOf("agk_123"), claimsOf("a.%.b"), claimsOf("a.bnVsbA.b"), scopesOf(null)]).toEqual([
    null,
    null,
    null,
    null,
  ]);
});

test("scopes cover as the server says", () => {
  expect(covers(["agent.*"], "agent.execute")).toBe(true);
  expect(covers(["admin.read"], "tool.read")).toBe(true);
  expect(covers(["admin.read"], "tool.write")).toBe(false);
  expect(covers(["admin.*"], "agent.execute")).toBe(false);
  expect(covers(["agent.read"], "agent.readers")).toBe(false);
});

test("a name stands in a path as it must", () => {
  expect(pathOf("execute", "a/b")).toBe("/agents/a%2Fb/execute");
});

test("what is allowed says by which scope", () => {
  const verdict = verdictOf("execute", told(200), ["agent.*", "rfp.process"], agent);
  expect(verdict).toMatchObject({ look: "ok", title: "Allowed" });
  expect(verdict.why).toContain("rfp.process");
});

test("what is denied says what is lacking", () => {
  const missing = verdictOf("execute", told(403, { required_scope: "agent.execute" }), ["run.read"], agent);
  expect(missing.why).toContain("agent.execute");
  const unseen = verdictOf("execute", told(404), ["agent.execute"], agent);
  expect(unseen.why).toBe("The agent demands agent.execute, rfp.process; it does not hold rfp.process.");
  expect(verdictOf("execute", told(404), null, undefined).why).toMatch(/no agent of that name/);
  expect(verdictOf("agents", told(401, { detail: "the token is over" }), null, undefined).look).toBe("bad");
});

test("a run that failed was allowed all the same", () => {
  const verdict = verdictOf("execute", told(502, { detail: "refused", run: { id: "r" } }), null, agent);
  expect(verdict).toMatchObject({ look: "warn", title: "Allowed, but it did not succeed" });
});

test("why there is no token is said in words", () => {
  const refused = refusalOf(told(401, { error: "invalid_client", error_description: "no such client" }));
  expect(refused.why).toBe("The id or the secret is not right, or the client is inactive. no such client");
});
