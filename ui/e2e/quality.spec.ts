import type { Page } from "@playwright/test";
import { measure, report } from "./measure";
import { expect, test } from "./server";

test.use({ of: "quality" });

test("a hundred tokens a second stream in, and the page has time for more", async ({
  signedIn: page,
  server,
}, info) => {
  await page.goto(`${server.url}/ui/agents/demo`);
  const box = page.getByLabel("Write to demo");
  await box.fill("say 1000 words every 9 ms");
  await page.keyboard.press("Enter");
  await expect(page.getByText(/word2\b/).last()).toBeVisible();
  const end = await measure(page);
  await expect(page.getByText(/word1000\b/)).toBeVisible({ timeout: 50_000 });
  const taken = await end();
  report(info, "streaming", taken);
  expect(taken.cpu / taken.seconds).toBeLessThan(0.5);
});

/** Markdown of so many characters: paragraphs, code and tables. */
function longText(length: number): string {
  const part = (n: number) =>
    `## Part ${n}\n\nThe **return** of goods takes _five_ days, see [terms](https://shop.example/terms).\n\n` +
    `\`\`\`js\nconst sum = items.reduce((all, it) => all + it.price, ${n});\n\`\`\`\n\n` +
    `| item | price |\n|---|---|\n| shoe ${n} | ${n * 3} |\n| hat | 12 |\n\n- first\n- second\n\n`;
  let text = "";
  for (let n = 1; text.length < length; n++) text += part(n);
  return text;
}

async function echoed(page: Page, url: string, length: number) {
  await page.goto(`${url}/ui/agents/demo`);
  // Browsers take long to type so much line by line: it is put in.
  const box = page.getByLabel("Write to demo");
  await box.evaluate(
    (it, text) => {
      Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value")?.set?.call(it, text);
      it.dispatchEvent(new Event("input", { bubbles: true }));
    },
    `${longText(length)}Here it ends.`,
  );
  await box.focus();
  const end = await measure(page);
  await page.keyboard.press("Enter");
  await expect(page.getByText("Here it ends.")).toHaveCount(2, { timeout: 60_000 });
  return end();
}

test("a long answer with code and tables takes time by its length, not by its square", async ({
  signedIn: page,
  server,
}, info) => {
  test.setTimeout(180_000);
  await echoed(page, server.url, 10_000);
  const half = await echoed(page, server.url, 100_000);
  report(info, "100 kB", half);
  const whole = await echoed(page, server.url, 200_000);
  report(info, "200 kB", whole);
  expect(whole.cpu / half.cpu).toBeLessThan(3);
});

test("the first page is there within a second of work", async ({ signedIn: page, server }, info) => {
  await page.goto(`${server.url}/ui/`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  await page.reload();
  await page.getByRole("heading", { level: 1 }).waitFor();
  const there = await page.evaluate(() => performance.now());
  const { metrics } = await devtools.send("Performance.getMetrics");
  const cpu = metrics.find((it) => it.name === "TaskDuration")?.value ?? 0;
  process.stdout.write(
    `    first page: there after ${there.toFixed(0)} ms, ${(1000 * cpu).toFixed(0)} ms of work\n`,
  );
  info.annotations.push({ type: "first page", description: `${there.toFixed(0)} ms` });
  expect(cpu).toBeLessThan(1);
});
