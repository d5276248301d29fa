import { expect, test } from "./server";
import { fill } from "./shop";

test.use({ of: "agents" });

test("an agent is made, talked to, changed, compared and deleted", async ({ signedIn: page, server }) => {
  await page.getByRole("link", { name: "New agent" }).click();
  await page.getByLabel("Display name").fill("Returns desk");
  await page.getByLabel("Name", { exact: true }).fill("returns desk");
  await page.getByLabel("Instructions").fill("You take goods back.");
  await page.getByRole("combobox", { name: "Tools" }).fill("current_tme");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: /Save agent/ }).click();

  // What the server finds wrong stands beside its field.
  const name = page.getByLabel("Name", { exact: true });
  await expect(name).toHaveAttribute("aria-invalid", "true");
  await expect(page.getByText("/tools/0").first()).toBeVisible();
  await expect(page.getByText(/No tool is named `current_tme`/).first()).toBeVisible();
  await name.fill("returns-desk");
  await page.getByRole("button", { name: "Remove current_tme" }).click();
  await page.getByRole("combobox", { name: "Tools" }).fill("curent_time");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "current_time", exact: true }).click();
  await page.keyboard.press("Control+s");
  await expect(page).toHaveURL(`${server.url}/ui/agents/returns-desk`);

  await page.getByLabel("Write to returns-desk").fill("use tool current_time with {}");
  await page.keyboard.press("Enter");
  await page.getByText("current_time", { exact: true }).first().click();
  await expect(page.getByRole("figure", { name: "Result" })).toBeVisible();
  await expect(page.getByRole("complementary", { name: "This run" }).getByText("Succeeded")).toBeVisible();
  await expect(page).toHaveURL(/thread=/);

  await page.getByRole("link", { name: "Definition" }).click();
  await page.getByLabel("Instructions").fill("You take goods back.\nBe kind.");
  await page.getByRole("link", { name: "Versions" }).click();
  await expect(page.getByRole("dialog", { name: "Leave without saving?" })).toBeVisible();
  await page.getByRole("button", { name: "Stay here" }).click();
  await page.getByRole("button", { name: /Save agent/ }).click();
  await expect(page.getByText("Version 2 answers from now on")).toBeVisible();
  await page.getByRole("link", { name: "Versions" }).click();
  await expect(page.getByRole("region", { name: "Changes" }).getByText("+ Be kind.")).toBeVisible();
  await page.getByRole("button", { name: "Restore" }).click();
  await expect(page.getByText("Version 3 is a copy of version 1")).toBeVisible();

  await page.getByRole("button", { name: "Delete agent…" }).click();
  await page.getByRole("button", { name: "Delete agent", exact: true }).click();
  await expect(page).toHaveURL(`${server.url}/ui/agents`);
  await expect(page.getByRole("link", { name: "Returns desk" })).toHaveCount(0);
});

test("form and JSON are two views of one agent", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/agents/demo?tab=definition`);
  await page.getByLabel("Temperature").fill("0.5");
  await page.getByRole("button", { name: "JSON", exact: true }).click();
  const json = page.getByLabel("Definition", { exact: true });
  await expect(json).toContainText('"temperature": 0.5');

  const agent = await server.admin("GET", "/agents/definitions/demo");
  await json.fill(JSON.stringify({ ...agent, model_options: { temperature: 0.7 } }));
  await page.getByRole("button", { name: "Form", exact: true }).click();
  await expect(page.getByLabel("Temperature")).toHaveValue("0.7");
  await page.getByRole("button", { name: "JSON", exact: true }).click();
  await json.fill("{");
  await expect(page.getByText(/^Line 1/)).toBeVisible();
  await page.getByRole("button", { name: "Discard" }).click();
});

test("two who change the same agent are told of each other", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/agents/demo?tab=definition`);
  await page.getByLabel("Instructions").fill("Mine.");
  await server.admin("PUT", "/agents/definitions/demo", { instructions: `Theirs ${Date.now()}.` });
  await page.getByRole("button", { name: /Save agent/ }).click();
  await expect(page.getByRole("alert")).toContainText(/version/i);
  await expect(page.getByLabel("Instructions")).toHaveValue("Mine.");
  await page.getByRole("button", { name: "Put mine on top" }).click();
  await expect(page.getByText(/Version \d+ answers from now on/)).toBeVisible();
});

test("text streams in, goes on after a reload, and can be stopped", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/agents/demo`);
  await page.getByLabel("Write to demo").fill("say 5000 words every 20 ms");
  await page.keyboard.press("Enter");
  await expect(page.getByText(/word12\b/)).toBeVisible();
  await page.reload();
  await expect(page.getByText(/word30\b/)).toBeVisible();
  await page.getByRole("button", { name: "Stop" }).click();
  await expect(page.getByRole("button", { name: "Stop" })).toHaveCount(0);
  await page.goto(`${server.url}/ui/runs?status=canceled`);
  await expect(page.getByRole("table", { name: "Runs" }).getByText("Canceled").first()).toBeVisible();
});

test("a person decides where he talks, and sources open", async ({ signedIn: page, server }) => {
  await fill(server.admin);
  await page.goto(`${server.url}/ui/agents/careful`);
  await page.getByLabel("Write to careful").fill("use tool current_time with {}");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: /Deny…/ }).click();
  await page.getByLabel("Reason").fill("not at night");
  await page.getByRole("button", { name: "Deny", exact: true }).click();
  await expect(page.getByText("not at night").filter({ visible: true }).first()).toBeVisible();
  await expect(page.getByRole("complementary", { name: "This run" }).getByText("Succeeded")).toBeVisible();

  await page.goto(`${server.url}/ui/agents/support`);
  await page.getByLabel("Write to support").fill('use tool search_handbook with {"query": "parental leave"}');
  await page.keyboard.press("Enter");
  await page.getByLabel("Sources").last().getByText("leave.md").first().click();
  await expect(page.locator("mark").filter({ hasText: "Parental leave lasts" }).last()).toBeVisible();
});

test("Enter belongs to an input method as long as it is at work", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/agents/demo`);
  const box = page.getByLabel("Write to demo");
  await box.fill("にほん");
  await box.dispatchEvent("keydown", { key: "Enter", isComposing: true, bubbles: true });
  await expect(box).toHaveValue("にほん");
  await box.fill("שלום עולם");
  await page.keyboard.press("Enter");
  await expect(page.getByText("You said: שלום עולם")).toBeVisible();
});

test("what is written from right to left stands at the right, also in an editor", async ({
  signedIn: page,
  server,
}) => {
  await server.admin("PUT", "/agents/definitions/demo", {
    display_name: "תמיכה",
    description: "עונה ללקוחות",
  });
  await page.goto(`${server.url}/ui/agents/demo?tab=definition`);
  const directionOf = (it: ReturnType<typeof page.getByLabel>) =>
    it.evaluate((element) => getComputedStyle(element).direction);
  expect(await directionOf(page.getByRole("heading", { level: 1 }).locator("span").first())).toBe("rtl");
  expect(await directionOf(page.getByLabel("Display name"))).toBe("rtl");
  await page.getByRole("button", { name: "JSON", exact: true }).click();
  const editor = page.getByLabel("Definition", { exact: true });
  await expect(editor).toContainText("תמיכה");

  // An input method composes in the editor, and what it makes is in the document once.
  await editor.press("Control+End");
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Input.imeSetComposition", { text: "に", selectionStart: 1, selectionEnd: 1 });
  await devtools.send("Input.imeSetComposition", { text: "日本", selectionStart: 2, selectionEnd: 2 });
  await devtools.send("Input.insertText", { text: "日本" });
  await expect(editor).toContainText("}日本");
  await page.getByRole("button", { name: "Discard" }).click();
});

/** One dot of a PNG. */
const DOT =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

test("an image goes with a message, and stands in the conversation", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/agents/demo`);
  const file = { name: "dot.png", mimeType: "image/png", buffer: Buffer.from(DOT, "base64") };
  await page.getByLabel("Images", { exact: true }).setInputFiles([file, file]);
  await page.getByRole("button", { name: "Remove image 2" }).click();
  await page.getByLabel("Write to demo").fill("What is it?");
  await page.keyboard.press("Enter");
  await expect(page.getByText(/You said: What is it/)).toBeVisible();
  const shown = page.getByRole("list", { name: "Conversation" }).getByRole("img", { name: "Number 1" });
  await expect(shown).toHaveAttribute("src", `data:image/png;base64,${DOT}`);
  const { data } = await server.admin<{ data: { id: string }[] }>("GET", "/runs?limit=1");
  const run = await server.admin<{ input: unknown[] }>("GET", `/runs/${data[0]?.id}`);
  expect(run.input).toMatchObject([
    { type: "text", text: "What is it?" },
    { type: "image", url: `data:image/png;base64,${DOT}` },
  ]);
  await page.reload();
  await expect(page.getByRole("img", { name: "Number 1" })).toBeVisible();
});

test("the same is said to two, side by side", async ({ signedIn: page, server }) => {
  await server.admin("POST", "/agents/definitions", {
    name: "twice",
    display_name: "Twice",
    instructions: "First.",
    model: "demo/scripted",
    scopes: ["agent.execute"],
  });
  await server.admin("PUT", "/agents/definitions/twice", { instructions: "Second." });
  await page.goto(`${server.url}/ui/agents/twice`);
  await page.getByLabel("Compare with").selectOption("twice@1");
  await page.getByLabel("Write to both").fill("Hello, you two");
  await page.keyboard.press("Enter");
  for (const side of ["twice", "twice, version 1"]) {
    const half = page.getByRole("region", { name: side, exact: true });
    await expect(half.getByText("You said: Hello, you two")).toBeVisible();
    await expect(half.getByText(/tokens/)).toBeVisible();
  }
  const { data } = await server.admin<{ data: { definition: { version: number } }[] }>(
    "GET",
    "/runs?definition=twice",
  );
  expect(data.map((it) => it.definition.version).sort()).toEqual([1, 2]);

  // The address has both conversations in it.
  await expect(page).toHaveURL(/beside_thread=/);
  await page.reload();
  await expect(page.getByText("You said: Hello, you two")).toHaveCount(2);
  await page.setViewportSize({ width: 375, height: 780 });
  await expect(page.getByText("You said: Hello, you two").filter({ visible: true })).toHaveCount(1);
  await page.getByRole("button", { name: "twice, version 1" }).click();
  await expect(page.getByRole("region", { name: "twice, version 1" })).toBeVisible();
  await page.getByRole("button", { name: "End the comparison" }).click();
  await expect(page).not.toHaveURL(/beside/);
});
