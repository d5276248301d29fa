import type { Page } from "@playwright/test";
import { expect, signIn, test, user } from "./server";
import { BROKEN, NIGHTLY } from "./workflows";

test.use({ of: "triggers" });

test.beforeAll(async ({ server }) => {
  for (const it of [NIGHTLY, BROKEN]) await server.admin("POST", "/workflows/definitions", it);
});

const row = (page: Page, id: string) =>
  page.getByRole("table", { name: "Triggers" }).getByRole("row", { name: new RegExp(`^${id} `) });
const chosen = (page: Page) => page.getByRole("complementary", { name: "Trigger" });
const history = (page: Page) => chosen(page).getByRole("region", { name: "History" });

test("a schedule says when it comes, rests, goes on, and is run by hand", async ({
  signedIn: page,
  server,
}) => {
  await page.goto(`${server.url}/ui/workflows/nightly?tab=triggers`);
  await expect(row(page, "cron")).toContainText("30 2 * * * in Europe/Helsinki");
  await expect(chosen(page).getByRole("list", { name: "Next" }).getByRole("listitem")).toHaveCount(5);
  await expect(chosen(page)).toContainText("made up for once");
  await row(page, "cron").getByRole("button", { name: "Pause" }).click();
  await expect(row(page, "cron")).toContainText("Paused");
  await expect(chosen(page).getByRole("list", { name: "Next" })).toHaveCount(0);
  await page.reload();
  await row(page, "cron").getByRole("button", { name: "Resume" }).click();
  await expect(row(page, "cron")).toContainText("On");

  await row(page, "cron").getByRole("button", { name: "Run now…" }).click();
  await expect(page.getByRole("dialog").getByLabel("Input")).toHaveValue(/"of": "yesterday"/);
  await page.getByRole("button", { name: "Run now", exact: true }).click();
  await expect(page).toHaveURL(/runs\//);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Succeeded");
  await page.goBack();
  await history(page).getByRole("link", { name: "Began a run by hand" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("nightly");
});

test("what begins a run from outside has an address, and leaves a line", async ({
  signedIn: page,
  server,
}) => {
  await page.goto(`${server.url}/ui/workflows/nightly?tab=triggers&trigger=webhook`);
  await expect(chosen(page)).toContainText("open to everybody who knows it");
  const url = await chosen(page)
    .getByText(/\/hooks\/counted$/)
    .textContent();
  await expect(chosen(page).getByRole("button", { name: "Copy URL" })).toBeVisible();
  await expect(history(page)).toContainText("It has not begun a run yet.");
  const headers = { "content-type": "application/json" };
  const answer = await fetch(url ?? "", { method: "POST", headers, body: '{"of": "today"}' });
  expect(answer.status).toBeLessThan(300);
  await page.reload();
  await history(page).getByRole("link", { name: "Began a run" }).click();
  await page.getByRole("link", { name: "Input and output" }).click();
  await expect(page.getByRole("figure", { name: "Output" })).toContainText('"of": "today"');
  await page.goto(`${server.url}/ui/runs?kind=workflow`);
  await page.getByRole("link", { name: "nightly" }).first().click();
  await expect(page.getByText("webhook", { exact: true })).toBeVisible();

  await server.admin("POST", "/workflows/events", { name: "shop.closed", payload: { at: 17 } });
  await page.goto(`${server.url}/ui/workflows/nightly?tab=triggers`);
  await row(page, "event").getByRole("link", { name: "event" }).click();
  await expect(page).toHaveURL(/trigger=event/);
  await expect(chosen(page)).toContainText("the event shop.closed");
  await expect(history(page).getByRole("link", { name: "Began a run" })).toBeVisible();
});

test("without triggers there is what they could be; who may only run does not pause", async ({
  page,
  server,
}) => {
  await signIn(page, server, await user(server, "olaf", "operator"), "/ui/workflows/broken?tab=triggers");
  await expect(page.getByText("Nothing begins it by itself")).toBeVisible();
  await expect(page.getByText(/each working day at nine/)).toBeVisible();
  await expect(page.getByRole("link", { name: "Add a trigger" })).toHaveCount(0);
  await page.goto(`${server.url}/ui/workflows/nightly?tab=triggers`);
  await expect(row(page, "api").getByRole("button", { name: "Run now…" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Pause" })).toHaveCount(0);
});
