import { expect, test } from "./server";

test.use({ of: "access" });

test("a program is registered, and its secret is shown once", async ({ signedIn: page, server, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: server.url });
  await page.goto(`${server.url}/ui/clients`);
  await page.getByRole("button", { name: "Register a client…" }).click();
  await page.getByLabel("Name").fill("Shop");
  await page.getByRole("button", { name: "Register client" }).click();
  const once = page.getByRole("dialog", { name: "Shop is registered" });
  await expect(once.getByText(/^ags_/)).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(once).toBeVisible();
  await once.getByRole("button", { name: "Copy client secret" }).click();
  const secret = await page.evaluate(() => navigator.clipboard.readText());
  await once.getByLabel("I have stored it").check();
  await once.getByRole("button", { name: "Close" }).click();
  expect(await page.content()).not.toContain(secret);

  // The secret is good: a program gets a token with it.
  await page.getByRole("link", { name: "Shop" }).click();
  const id = await page.locator("dd code").first().textContent();
  const token = await fetch(`${server.url}/oauth/token`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ grant_type: "client_credentials", client_id: id, client_secret: secret }),
  });
  expect(token.status).toBe(200);

  await page.getByRole("button", { name: "New key…" }).click();
  await page.getByLabel("Name", { exact: true }).last().fill("ci");
  await page.getByRole("button", { name: "Make key" }).click();
  const key = page.getByRole("dialog", { name: "The key ci" });
  await expect(key.getByText(/^agk_/)).toBeVisible();
  await key.getByLabel("I have stored it").check();
  await key.getByRole("button", { name: "Close" }).click();
  await expect(page.getByRole("table", { name: "API keys" }).getByText("ci")).toBeVisible();

  await page.getByRole("button", { name: "Deactivate" }).click();
  await expect(page.getByText("It gets no tokens, and those that are out are void")).toBeVisible();
});

test("a secret is kept, changed and never shown", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/secrets`);
  await page.getByRole("button", { name: "New secret…" }).click();
  await page.getByLabel("Name").fill("stripe_key");
  await page.getByLabel("Value").fill("sk-a-value-that-nobody-sees");
  await page.getByRole("combobox", { name: "Hosts" }).fill("not a host");
  await page.getByRole("button", { name: "Save secret" }).click();
  await expect(page.getByText("/hosts/0").first()).toBeVisible();
  await page.getByRole("button", { name: "Remove not a host" }).click();
  await page.getByRole("combobox", { name: "Hosts" }).fill("api.stripe.com");
  await page.getByRole("button", { name: "Save secret" }).click();
  const row = page.getByRole("row", { name: /stripe_key/ });
  await expect(row).toContainText("api.stripe.com");

  await row.getByRole("button", { name: "Change stripe_key" }).click();
  await page.getByLabel("Next value").fill("sk-another-value");
  await page.getByRole("button", { name: "Save secret" }).click();
  await expect(page.getByText("stripe_key has its value number 2")).toBeVisible();
  expect(await page.content()).not.toContain("sk-a");
  await row.getByRole("button", { name: "Delete stripe_key…" }).click();
  await page.getByRole("button", { name: "Delete secret" }).click();
  await expect(page.getByText("No secrets yet")).toBeVisible();
});

test("a person is let in, changed and put out, and the log tells it", async ({
  signedIn: page,
  server,
  browser,
}) => {
  await page.goto(`${server.url}/ui/users`);
  await page.getByRole("button", { name: "New user…" }).click();
  await page.getByLabel("User name").fill("maria");
  await page.getByLabel("Password").fill("short");
  await page.getByRole("button", { name: "Save user" }).click();
  await expect(page.getByText("/password").first()).toBeVisible();
  await page.getByLabel("Password").fill("correct horse battery staple");
  await page.getByLabel("Role").selectOption("editor");
  await page.getByRole("button", { name: "Save user" }).click();
  const row = page.getByRole("row", { name: /maria/ });
  await expect(row).toContainText("editor");

  const hers = await (await browser.newContext()).newPage();
  await hers.goto(`${server.url}/sign-in`);
  await hers.getByLabel("Name").fill("maria");
  await hers.getByLabel("Password").fill("correct horse battery staple");
  await hers.getByRole("button", { name: "Sign in" }).click();
  await hers.getByRole("link", { name: "Open the Admin UI" }).click();
  await hers.getByRole("link", { name: "Agents", exact: true }).click();
  await expect(hers.getByRole("link", { name: "New agent" })).toBeVisible();
  await expect(hers.getByRole("link", { name: "Users" })).toHaveCount(0);

  await row.getByRole("button", { name: "Change maria" }).click();
  await page.getByLabel("Active").uncheck();
  await page.getByRole("button", { name: "Save user" }).click();
  await expect(row).toContainText("inactive");
  await hers.reload();
  await expect(hers).toHaveURL(/sign-in/);

  await page.goto(`${server.url}/ui/audit?action=user`);
  await expect(page.getByText("Nothing was changed or removed")).toBeVisible();
  await page.getByText("user.create").first().click();
  await expect(page.getByRole("figure", { name: "role" }).first()).toContainText("editor");
});
