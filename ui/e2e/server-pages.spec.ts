import { expect, signIn, test, user } from "./server";
import { fill } from "./shop";

test.use({ of: "server-pages" });

test("settings are told without secrets, and a model is tried", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/settings`);
  const providers = page.getByRole("table", { name: "Providers" });
  await expect(providers.getByRole("row", { name: /anthropic/ })).toContainText("ANTHROPIC_API_KEY");
  await expect(page.getByText("deleted 90 days after their end")).toBeVisible();
  expect(await page.content()).not.toContain(server.management.password);
  await providers.getByRole("button", { name: "Try demo…" }).click();
  const dialog = page.getByRole("dialog", { name: "Does demo answer?" });
  await expect(dialog.getByLabel("Model")).toHaveValue("demo/scripted");
  await dialog.getByRole("button", { name: "Ask the model" }).click();
  await expect(dialog.getByText(/^It answered in/)).toBeVisible();
  await dialog.getByLabel("Model").fill("demo/other");
  await dialog.getByRole("button", { name: "Ask the model" }).click();
  await expect(dialog.getByText("/model")).toBeVisible();
  await expect(dialog.getByLabel("Model")).toHaveAttribute("aria-invalid", "true");
});

test("somebody is a client, and sees why it is allowed or denied", async ({ signedIn: page, server }) => {
  await fill(server.admin);
  await server.admin("POST", "/agents/definitions", {
    name: "bids",
    display_name: "Bids",
    instructions: "x",
    model: "demo/scripted",
    scopes: ["agent.execute", "rfp.process"],
  });
  const made = await server.admin<{ client_id: string; client_secret: string }>("POST", "/oauth/register", {
    client_name: "Till",
    grant_types: ["client_credentials"],
    scope: "agent.read agent.execute",
  });
  await page.goto(`${server.url}/ui/clients/${made.client_id}`);
  await page.getByRole("link", { name: "Be this client" }).click();
  await expect(page.getByRole("textbox", { name: "Client id" })).toHaveValue(made.client_id);
  await page.getByLabel("Client secret").fill("ags_wrong");
  await page.getByRole("button", { name: "Call as this client" }).click();
  await expect(page.getByText("No token", { exact: true })).toBeVisible();

  await page.getByLabel("Client secret").fill(made.client_secret);
  await page.getByLabel("Then").selectOption("execute");
  await page.getByLabel("Agent", { exact: true }).selectOption("support");
  await page.getByRole("button", { name: "Call as this client" }).click();
  await expect(page.getByText("Allowed", { exact: true })).toBeVisible();
  await expect(page.getByText(/It holds agent.execute/)).toBeVisible();

  await page.getByLabel("Agent", { exact: true }).selectOption("bids");
  await page.getByRole("button", { name: "Call as this client" }).click();
  await expect(page.getByText(/It does not hold rfp.process/)).toBeVisible();

  await page.getByLabel("Then").selectOption("runs");
  await page.getByRole("combobox", { name: "Ask for" }).fill("agent.read");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Call as this client" }).click();
  await expect(page.getByText("Denied", { exact: true })).toBeVisible();
  await expect(page.getByText(/Give the client that scope/)).toBeVisible();
  expect(page.url()).not.toContain(made.client_secret);
});

test("pages of the server are for those who administer it", async ({ browser, server }) => {
  const page = await (await browser.newContext()).newPage();
  await signIn(page, server, await user(server, "ada", "admin"), "/ui/keys");
  await expect(page.getByRole("table", { name: "Signing keys" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Make a key…" })).toHaveCount(0);
  const other = await (await browser.newContext()).newPage();
  await signIn(other, server, await user(server, "ed", "editor"), "/ui/settings");
  await expect(other.getByRole("alert")).toContainText("admin.read");
  await expect(other.getByRole("link", { name: "Signing keys" })).toHaveCount(0);
});

// The last one: the token by which the API is asked beside is void after it.
test("a signing key is made, signs, and the one before is taken back", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/keys`);
  const table = page.getByRole("table", { name: "Signing keys" });
  await expect(table.getByText("active", { exact: true })).toHaveCount(1);
  await page.getByRole("button", { name: "Make a key…" }).click();
  await page.getByLabel(/Have it sign at once/).check();
  await page.getByRole("button", { name: "Make key" }).click();
  await expect(page.getByText("The new key signs", { exact: true })).toBeVisible();
  await expect(table.getByText("retired", { exact: true })).toHaveCount(1);
  await expect(table.getByText("active", { exact: true })).toHaveCount(1);
  await table.getByRole("button", { name: /^Take .* back…/ }).click();
  await page.getByRole("button", { name: "Take key back" }).click();
  await expect(table.getByText("withdrawn", { exact: true })).toHaveCount(1);
});
