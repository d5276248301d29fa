import { expect, test } from "./server";

test.use({ of: "story" });

/** What somebody does who has never read the docs, by what the pages say. */
test("an agent with a tool and documents, talked to, understood, and given to a program", async ({
  signedIn: page,
  server,
  context,
}) => {
  test.setTimeout(180_000);
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: server.url });

  await test.step("a tool is made, and tried", async () => {
    await page.getByRole("link", { name: "Tools" }).first().click();
    await page.getByRole("link", { name: "New tool" }).click();
    await page.getByRole("link", { name: /^template/ }).click();
    await page.getByLabel("Name", { exact: true }).fill("letter");
    await page.getByLabel("Description").fill("Begins a letter to somebody, by name.");
    await page.getByRole("button", { name: /Save tool/ }).click();
    await page.getByLabel(/^name\b/).fill("Aino");
    await page.getByRole("button", { name: "Call tool" }).click();
    await expect(page.getByRole("figure", { name: "Result" })).toContainText("Dear Aino,");
  });

  await test.step("documents come in", async () => {
    await page.getByRole("link", { name: "RAG databases" }).click();
    await page.getByRole("button", { name: "New database…" }).click();
    await page.getByLabel("Name", { exact: true }).fill("handbook");
    await page.getByRole("button", { name: "Make database" }).click();
    await page.locator("input[type=file]").setInputFiles({
      name: "leave.md",
      mimeType: "text/markdown",
      buffer: Buffer.from("# Leave\n\nParental leave lasts 26 weeks and is paid in full."),
    });
    await expect(page.getByRole("link", { name: "leave.md" })).toBeVisible();
  });

  await test.step("an agent is made of both", async () => {
    await page.getByRole("link", { name: "Agents", exact: true }).first().click();
    await page.getByRole("link", { name: "New agent" }).click();
    await page.getByLabel("Display name").fill("Desk");
    await page.getByLabel("Name", { exact: true }).fill("desk");
    await page.getByLabel("Instructions").fill("You answer questions of people who work here.");
    await page.getByRole("combobox", { name: "Tools" }).fill("letter");
    await page.keyboard.press("Enter");
    await page.getByRole("combobox", { name: "RAG databases it may search" }).fill("handbook");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: /Save agent/ }).click();
    await expect(page).toHaveURL(`${server.url}/ui/agents/desk`);
  });

  await test.step("it is talked to, and its source is opened", async () => {
    const box = page.getByLabel("Write to desk");
    await box.fill(
      'use tool search_handbook with {"query": "parental leave"} and use tool letter with {"name": "Aino"}',
    );
    await page.keyboard.press("Enter");
    await page.getByText("letter", { exact: true }).first().click();
    await expect(page.getByRole("figure", { name: "Result" }).first()).toContainText("Dear Aino,");
    await page.getByLabel("Sources").last().getByText("leave.md").first().click();
    await expect(page.locator("mark").filter({ hasText: "26 weeks" }).last()).toBeVisible();
  });

  await test.step("the run says why it answered so", async () => {
    await page.getByRole("link", { name: "Open run" }).click();
    await page.getByRole("row", { name: /search_handbook/ }).click();
    const details = page.getByRole("complementary", { name: "Details" });
    await expect(details.getByRole("figure", { name: "Result" })).toContainText("26 weeks");
  });

  await test.step("a program gets access, and calls it", async () => {
    await page.getByRole("link", { name: "Clients" }).click();
    await page.getByRole("button", { name: "Register a client…" }).click();
    await page.getByLabel("Name").fill("Intranet");
    await page.getByRole("button", { name: "Register client" }).click();
    const once = page.getByRole("dialog", { name: "Intranet is registered" });
    const id = (await once.locator("code").first().textContent()) ?? "";
    await once.getByRole("button", { name: "Copy client secret" }).click();
    const secret = await page.evaluate(() => navigator.clipboard.readText());
    await once.getByLabel("I have stored it").check();
    await once.getByRole("button", { name: "Close" }).click();
    const json = { "content-type": "application/json" };
    const body = { grant_type: "client_credentials", client_id: id, client_secret: secret };
    const { access_token } = await fetch(`${server.url}/oauth/token`, {
      method: "POST",
      headers: json,
      body: JSON.stringify(body),
    }).then((it) => it.json());
    const answer = await fetch(`${server.url}/agents/desk/execute`, {
      method: "POST",
      headers: { ...json, authorization: `Bearer ${access_token}` },
      body: JSON.stringify({ input: "Hello" }),
    });
    expect(answer.status, await answer.clone().text()).toBe(200);
    expect(await answer.json()).toMatchObject({ status: "succeeded" });
  });
});
