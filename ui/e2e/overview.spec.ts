import { expect, signIn, test, user } from "./server";
import { fill } from "./shop";

test.use({ of: "overview" });

test("an empty server says what to do first, and then how it goes", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/`);
  await expect(page.getByRole("heading", { name: "Welcome to Agent Server" })).toBeVisible();
  const steps = page.getByRole("list", { name: "First steps" });
  await expect(steps.getByRole("listitem")).toHaveCount(5);
  await steps.getByRole("link", { name: "Choose an agent" }).click();
  await page.getByRole("link", { name: "Demo", exact: true }).click();
  await page.getByLabel("Write to demo").fill("Hello");
  await page.keyboard.press("Enter");
  await expect(page.getByText("You said: Hello")).toBeVisible();

  await page.getByRole("link", { name: "Overview" }).first().click();
  await expect(page.getByText(/Healthy\. 1 run ended in the last hour, 100 % succeeded/)).toBeVisible();
  await expect(page.getByText("1 of 5 done")).toBeVisible();
  await expect(page.getByRole("img", { name: /^Runs per minute: 1 in all/ })).toBeVisible();
});

test("figures follow what happens, and lead to the runs", async ({ signedIn: page, server }) => {
  await fill(server.admin);
  await page.goto(`${server.url}/ui/?span=24h`);
  await expect(page.getByRole("button", { name: "24 h" })).toHaveAttribute("aria-pressed", "true");
  await expect(page.getByRole("heading", { name: "Waiting for a person" })).toBeVisible();
  await expect(page.getByText("A limit was reached")).toBeVisible();
  await expect(page.getByRole("img", { name: /^Tokens: / })).toBeVisible();
  await page.getByRole("button", { name: "Show numbers" }).click();
  const numbers = page.getByRole("table", { name: "Figures over time" });
  await expect(numbers.getByRole("row").nth(1)).toContainText("%");

  await page.getByRole("button", { name: "7 d", exact: true }).click();
  await expect(page).toHaveURL(/span=7d/);
  await page.getByRole("link", { name: "Failed runs" }).click();
  await expect(page).toHaveURL(/runs\?.*status=failed/);
  await expect(page.getByLabel("Status")).toHaveValue("failed");
});

test("whoever may not see all sees what is his", async ({ browser, server }) => {
  await fill(server.admin).catch(() => {});
  const page = await (await browser.newContext()).newPage();
  await signIn(page, server, await user(server, "otto", "operator"));
  await expect(page.getByRole("heading", { name: "Welcome to Agent Server" })).toBeVisible();
  await page.goto(`${server.url}/ui/agents/demo`);
  await page.getByLabel("Write to demo").fill("Hello");
  await page.keyboard.press("Enter");
  await expect(page.getByText("You said: Hello")).toBeVisible();
  await page.goto(`${server.url}/ui/`);
  const runs = page.getByRole("table", { name: "Your last runs" });
  await expect(runs.getByRole("link", { name: "demo" })).toHaveCount(1);
  await expect(page.getByRole("img", { name: /^Runs per/ })).toHaveCount(0);
  await expect(page.getByRole("link", { name: "Settings" })).toHaveCount(0);
});
