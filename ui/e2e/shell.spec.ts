import { expect, test } from "./server";
import { fill } from "./shop";

test.use({ of: "shell" });

test("anything is reached by its name", async ({ signedIn: page, server }) => {
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Find or do" }).fill("runs");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(`${server.url}/ui/runs`);

  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Find or do" }).fill("demo");
  await expect(page.getByRole("listbox").getByRole("option", { selected: true })).toContainText("Demo");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("combobox", { name: "Find or do" })).toHaveCount(0);
});

test("each page leads to its documentation, without a fault", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/tools`);
  const docs = page.getByRole("link", { name: "Docs" });
  await expect(docs).toHaveAttribute("href", "/docs#tag-tools");
  const shown = await (await fetch(`${server.url}/docs`)).text();
  expect(shown).toContain('id="tag-tools"');
});

test("keys lead everywhere, but not while somebody types", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/agents`);
  await expect(page.getByRole("link", { name: "Demo", exact: true })).toBeVisible();
  await page.keyboard.press("j");
  await expect(page.getByRole("link", { name: "Demo", exact: true })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/agents\/demo/);
  await page.getByLabel("Write to demo").fill("");
  await page.keyboard.type("gu?");
  await expect(page.getByLabel("Write to demo")).toHaveValue("gu?");
  await page.getByLabel("Write to demo").blur();
  await page.keyboard.press("g");
  await page.keyboard.press("u");
  await expect(page).toHaveURL(`${server.url}/ui/runs`);
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
});

test("a theme is kept, and drawn from the first moment on", async ({ signedIn: page }) => {
  await page.getByRole("button", { name: /^Account of/ }).click();
  await page.getByRole("button", { name: "Theme: system" }).click();
  await page.getByRole("button", { name: "Theme: light" }).click();
  await page.reload();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
});

test("ten thousand rows are drawn as far as they are seen", async ({ signedIn: page, server }) => {
  const run = {
    kind: "agent",
    definition: { id: "d", name: "demo", version: 1 },
    status: "succeeded",
    waiting_for: [],
    usage: { input_tokens: 1, output_tokens: 1, cost_usd: 0 },
    limits: {},
    steps: 1,
    metadata: {},
    subject: "client:a",
    client_id: "a",
    created_at: "2026-11-25T10:00:00Z",
    started_at: "2026-11-25T10:00:00Z",
    finished_at: "2026-11-25T10:00:01Z",
  };
  const data = Array.from({ length: 10_000 }, (_, n) => ({
    ...run,
    id: `0199a1b2-0000-7000-8000-${String(n).padStart(12, "0")}`,
  }));
  // The server gives 200 at most: what is tried here is the table alone.
  await page.route(/\/runs\?/, (route) => route.fulfill({ json: { data, next_cursor: null } }));
  await page.goto(`${server.url}/ui/runs`);
  await expect(page.getByText("10,000 runs shown")).toHaveCount(1);
  expect(await page.locator("tr[data-row]").count()).toBeLessThan(100);

  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  await expect(page.getByText("00009999")).toBeVisible();
  expect(await page.locator("tr[data-row]").count()).toBeLessThan(100);
});

test("on a narrow screen everything is within reach", async ({ signedIn: page, server }) => {
  await page.setViewportSize({ width: 320, height: 640 });
  await page.goto(`${server.url}/ui/runs`);
  await page.getByRole("navigation", { name: "Main, short" }).getByRole("link", { name: "More" }).click();
  await page.getByRole("main").getByRole("link", { name: "Agents" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Agents" })).toBeVisible();
});

// Last: the tests above count on an empty server.
test("tools, documents and databases are reached by their names", async ({ signedIn: page, server }) => {
  const { document } = await fill(server.admin);
  // There are more databases, and more documents, than anybody reads to look for one.
  for (let n = 0; n < 12; n++) await server.admin("POST", "/rag/databases", { name: `shelf-${n}` });
  const put = (filename: string) =>
    server.admin("POST", "/rag/databases/shelf-0/documents", { filename, text: filename });
  const old = await put("The oldest of all.txt");
  for (let n = 0; n < 120; n++) await put(`note ${n}.txt`);
  await page.goto(`${server.url}/ui/runs`);
  await page.getByRole("heading", { level: 1, name: "Runs" }).waitFor();
  for (const [typed, found, address] of [
    ["greet", "greet", "/ui/tools/greet"],
    ["leave.md", "leave.md", `/ui/rag/handbook/${document}`],
    ["OLDEST", "The oldest of all.txt", `/ui/rag/shelf-0/${old.id}`],
    ["handb", "Handbook", "/ui/rag/handbook"],
  ] as const) {
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Find or do" }).fill(typed);
    await page.getByRole("option", { name: found }).first().click();
    await expect(page).toHaveURL(server.url + address);
  }
});
