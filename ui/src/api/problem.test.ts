import { expect, test } from "vitest";
import { Failure, failureFrom, failureOf } from "./problem";

test("a problem says what is wrong with which member, and where that is explained", async () => {
  const body = {
    type: "/problems/invalid-request",
    status: 422,
    detail: "1 member is not valid",
    errors: [{ pointer: "/tools/0", code: "unknown_tool", detail: "no tool is named `x`" }, { pointer: 7 }],
  };
  const response = new Response(JSON.stringify(body), { status: 422, headers: { "x-request-id": "r-1" } });

  const failure = await failureFrom(response);

  expect(failure).toMatchObject({
    status: 422,
    title: "1 member is not valid",
    requestId: "r-1",
    slug: "invalid-request",
  });
  expect(failure.faults).toEqual([body.errors[0]]);
});

test("a refusal of OAuth is read in its own words", async () => {
  const failure = await failureFrom(
    Response.json({ error: "invalid_scope", error_description: "no such scope" }, { status: 400 }),
  );
  expect(failure).toMatchObject({ title: "no such scope", page: null, slug: "" });
});

test("an answer that is no JSON is a failure all the same", async () => {
  expect((await failureFrom(new Response("<html>", { status: 502 }))).title).toBe("the server answered 502");
});

test("a page of a problem is one of ours or none", () => {
  expect(new Failure(400, { type: "https://evil.example/x", detail: "d" }).page).toBeNull();
});

test("whatever is thrown can be shown", () => {
  expect(failureOf(new TypeError("fetch")).title).toMatch(/does not answer/);
  expect(failureOf("x").title).toBe("x");
});
