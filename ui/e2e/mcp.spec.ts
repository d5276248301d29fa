import { execFileSync } from "node:child_process";
import { expect, signIn, test, user } from "./server";
import { fill } from "./shop";

test.use({ of: "mcp" });

test("a client is connected by what the page says", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/mcp`);
  await expect(
    page.getByText(`claude mcp add --transport http agent-server ${server.url}/mcp`),
  ).toBeVisible();
  await page.getByRole("button", { name: "curl" }).click();
  const code = (await page.getByRole("figure", { name: "curl" }).locator("pre").textContent()) ?? "";

  // It is run as it stands there, by a client that was registered.
  const { client_id, client_secret } = await server.admin<Record<string, string>>("POST", "/oauth/register", {
    client_name: "Curl",
    grant_types: ["client_credentials"],
    scope: "mcp.access tool.execute agent.execute",
  });
  const env = { PATH: process.env.PATH, CLIENT_ID: client_id, CLIENT_SECRET: client_secret };
  const answer = execFileSync("sh", ["-c", code], { env, encoding: "utf8" });
  expect(answer).toContain('"name":"current_time"');
  expect(answer).toContain('"name":"ask_demo"');
});

test("what is offered is chosen, and tried as it is called", async ({ signedIn: page, server }) => {
  await fill(server.admin);
  await page.goto(`${server.url}/ui/mcp?tab=offers`);
  await page.getByRole("button", { name: "Remove *" }).first().click();
  await page.getByRole("combobox", { name: "Tools" }).fill("gre*");
  await page.keyboard.press("Enter");
  await page.getByRole("combobox", { name: "RAG databases" }).fill("handbook");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Save what is offered" }).click();
  await expect(page.getByRole("link", { name: "search_handbook" })).toBeVisible();
  await expect(page.getByRole("link", { name: "current_time" })).toHaveCount(0);

  await page.getByRole("link", { name: "greet" }).click();
  await page.getByLabel(/^name\b/).fill("Aino");
  await page.getByRole("button", { name: "Call greet" }).click();
  await expect(page.getByRole("figure", { name: "Result" })).toContainText("Hello, Aino");
  await page.getByText("What a client sends").click();
  await expect(page.getByRole("figure", { name: "tools/call" })).toContainText('"name": "Aino"');

  await page.getByLabel("Tool", { exact: true }).selectOption("search_handbook");
  await page.getByLabel(/^query\b/).fill("parental leave");
  await page.getByRole("button", { name: "Call search_handbook" }).click();
  await expect(page.getByRole("figure", { name: "Result" })).toContainText("26 weeks");

  await page.getByLabel("Tool", { exact: true }).selectOption("ask_demo");
  await page.getByLabel(/^input\b/).fill("Hello!");
  await page.getByRole("button", { name: "Call ask_demo" }).click();
  await expect(page.getByRole("figure", { name: "Result" })).toContainText("You said: Hello!");
});

test("whoever does not administer is told how to connect, and no more", async ({ page, server }) => {
  await signIn(page, server, await user(server, "oona", "operator"), "/ui/mcp");
  await expect(page.getByText("claude mcp add")).toBeVisible();
  await expect(page.getByRole("link", { name: "What is offered" })).toHaveCount(0);
});
