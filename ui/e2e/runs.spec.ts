import { expect, test } from "./server";
import { fill } from "./shop";

test.use({ of: "runs" });

let runs: Awaited<ReturnType<typeof fill>>;
test.beforeAll(async ({ server }) => {
  runs = await fill(server.admin);
});

test("runs are narrowed by filters that stand in the URL", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/runs`);
  await page.getByLabel("Status").selectOption("failed");
  await page.getByLabel("Started").selectOption("24h");
  await page.getByRole("searchbox", { name: "Name of the agent, workflow or tool" }).fill("short");
  await expect(page).toHaveURL(/status=failed/);
  await expect(page).toHaveURL(/definition=short/);
  const table = page.getByRole("table", { name: "Runs" });
  await expect(table.getByRole("row")).toHaveCount(2);

  await page.reload();
  await expect(page.getByLabel("Started")).toHaveValue("24h");
  await expect(table.getByRole("row")).toHaveCount(2);
  await page.getByRole("link", { name: "Clear" }).click();
  await expect(table.getByText("Running")).toBeVisible();
});

test("runs are found by words in them, and their rows can be lower", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/runs`);
  const table = page.getByRole("table", { name: "Runs" });
  await page.getByRole("searchbox", { name: /^Words/ }).fill("where is my order");
  await expect(page).toHaveURL(/text=where/);
  await expect(table.getByRole("row")).toHaveCount(2);
  const row = table.locator("tr[data-row]").first();
  const height = async () => (await row.boundingBox())?.height ?? 0;
  const before = await height();
  await page.getByRole("button", { name: "Lower rows" }).click();
  expect(await height()).toBeLessThan(before);
  await page.reload();
  await expect(page.getByRole("button", { name: "Higher rows" })).toBeVisible();
});

test("new runs wait until they are asked for, and old ones change in place", async ({
  signedIn: page,
  server,
}) => {
  await page.goto(`${server.url}/ui/runs`);
  await expect(page.getByText("Live")).toBeVisible();
  const before = await page.locator("tr[data-row]").count();
  await server.admin("POST", "/agents/demo/execute", { input: "Hello!" });
  await page.getByRole("button", { name: "1 new run" }).click();
  await expect(page.locator("tr[data-row]")).toHaveCount(before + 1);
});

test("a run shows what it did, and each span what came of it", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/runs/${runs.told}`);
  const row = page.getByRole("row", { name: /current_time/ });
  await row.focus();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/span=/);
  await expect(
    page.getByRole("complementary", { name: "Details" }).getByRole("figure", { name: "Result" }),
  ).toBeVisible();
  await page.keyboard.press("ArrowDown");
  await expect(row).not.toBeFocused();

  await page.getByRole("link", { name: /Events/ }).click();
  await expect(page.getByText("run.finished")).toBeVisible();
  await page.getByText("tool.finished").first().click();
  await expect(page.getByRole("figure", { name: "Data" })).toBeVisible();
});

test("a run that failed says why, and is begun again from there", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/runs/${runs.failed}`);
  await expect(page.getByRole("alert")).toContainText(/Limit/);
  await page.getByRole("button", { name: "Fork…" }).click();
  await page.getByLabel("Input").fill("Hello again");
  await page.getByRole("button", { name: "Fork run" }).click();
  await expect(page).not.toHaveURL(new RegExp(runs.failed));
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Succeeded");
  await expect(page.getByText("Forked from", { exact: true })).toBeVisible();
});

test("a run at work grows while it is looked at, until it is canceled", async ({
  signedIn: page,
  server,
}) => {
  await page.goto(`${server.url}/ui/runs/${runs.slow}?tab=events`);
  await expect(page.getByText("model.started")).toBeVisible();
  await page.getByRole("button", { name: "Cancel run…" }).click();
  await page.getByLabel("Reason").fill("long enough");
  await page.getByRole("button", { name: "Cancel run", exact: true }).click();
  await expect(page.getByText("run.cancel_requested")).toBeVisible();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Canceled");
  await expect(page.getByRole("button", { name: "Cancel run…" })).toHaveCount(0);
});

test("decisions are taken by keys, one after the other", async ({ signedIn: page, server }) => {
  await server.admin("POST", "/agents/careful/execute", {
    input: "use tool current_time with {}",
    background: true,
  });
  await page.goto(`${server.url}/ui/approvals`);
  await expect(page.getByRole("article")).toHaveCount(2);
  await page.keyboard.press("a");
  await expect(page.getByRole("article")).toHaveCount(1);
  await page.keyboard.press("d");
  await page.getByLabel("Reason").fill("enough");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Deny", exact: true }).click();
  await expect(page.getByText("Nothing waits for a decision")).toBeVisible();
  await page.getByRole("link", { name: "Denied" }).click();
  await expect(page.getByText("enough")).toBeVisible();
});
