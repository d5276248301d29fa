import { expect, signIn, test, user } from "./server";

test.use({ of: "explorer" });

test("a call is found, made, and taken along as a command", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/api`);
  await page.getByLabel("Search calls").fill("execute an agent");
  await page.getByRole("link", { name: "Execute an agent" }).first().click();
  await expect(page).toHaveURL(/op=execute_agent/);
  await page.getByLabel(/^id\b/).fill("demo");
  await page.getByRole("button", { name: "JSON", exact: true }).last().click();
  await page.getByLabel("Arguments", { exact: true }).fill('{"input": "Hello from here"}');
  await expect(page.getByRole("figure", { name: "The same with curl" })).toContainText(
    `curl -s -X POST '${server.url}/agents/demo/execute'`,
  );
  await page.getByRole("button", { name: /^Call POST/ }).click();
  const answer = page.getByRole("region", { name: "Answer" });
  await expect(answer.getByText("200", { exact: true })).toBeVisible();
  await answer.getByRole("button", { name: /^Show all/ }).click();
  await expect(answer).toContainText("You said: Hello from here");

  await page.goto(`${server.url}/ui/api?op=read_agent`);
  await page.getByLabel(/^id\b/).fill("nobody");
  await page.getByRole("button", { name: /^Call GET/ }).click();
  await expect(answer.getByText("404", { exact: true }).first()).toBeVisible();
  await expect(answer).toContainText("/problems/agent-not-found");
});

test("the reference leads to each call, and who may not is told before", async ({ page, server }) => {
  await signIn(page, server, await user(server, "vera", "viewer"), "/ui/api");
  await page.goto(`${server.url}/docs#create_secret`);
  await page.locator("#create_secret").getByRole("link", { name: "Try it" }).click();
  await expect(page).toHaveURL(/\/ui\/api\?op=create_secret/);
  await expect(page.getByText("It will be refused")).toBeVisible();
  await expect(page.getByText("secret.write").first()).toBeVisible();
});
