import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { measure, report } from "./measure";
import { expect, type Server, test } from "./server";

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

test("whoever scrolls up to read is left there", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/agents/demo`);
  await page.getByLabel("Write to demo").fill("say 9000 words every 3 ms");
  await page.keyboard.press("Enter");
  await expect(page.getByText(/word3000\b/)).toBeVisible({ timeout: 30_000 });
  await page.evaluate(() => scrollTo(0, 0));
  await expect.poll(() => page.evaluate(() => scrollY)).toBe(0);
  await expect(page.getByText(/word5000\b/)).toBeVisible({ timeout: 30_000 });
  expect(await page.evaluate(() => scrollY)).toBe(0);
  await page.getByRole("button", { name: "Stop" }).click();
});

/** Copies of a run, with ids of their own: ten thousand real ones take minutes. */
const COPY = `
import sqlite3, sys
path, run = sys.argv[1:]
db = sqlite3.connect(path, timeout=30)
columns = [it[1] for it in db.execute("PRAGMA table_info(runs)")]
row = dict(zip(columns, db.execute(f"SELECT {', '.join(columns)} FROM runs WHERE id = ?", (run,)).fetchone()))
rows = [{**row, "id": f"01900000-0000-7000-8000-{n:012}"} for n in range(10_000)]
db.executemany(f"INSERT INTO runs ({', '.join(columns)}) VALUES ({', '.join(':' + it for it in columns)})", rows)
db.commit()
`;

async function tenThousandRuns({ admin, folder }: Server) {
  const { id } = await admin<{ id: string }>("POST", "/agents/demo/execute", {
    input: "Hello",
    background: true,
  });
  await admin("GET", `/runs/${id}/wait?timeout_ms=20000`);
  execFileSync("python3", ["-c", COPY, join(folder, "data/agent-server.db"), id]);
}

test("ten thousand rows are scrolled through, and few of them are drawn", async ({
  signedIn: page,
  server,
}, info) => {
  test.setTimeout(240_000);
  await tenThousandRuns(server);
  await page.goto(`${server.url}/ui/runs?definition=demo`);
  // It reads on whenever its end comes into view.
  await expect(async () => {
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await expect(page.getByText(/^10,00\d runs shown$/)).toHaveCount(1, { timeout: 20 });
  }).toPass({ timeout: 120_000, intervals: [50] });
  await page.evaluate(() => scrollTo(0, 0));

  /** Whether each row that is drawn stands where it would if all were. */
  const look = () =>
    page.evaluate(() => {
      const rows = [...document.querySelectorAll<HTMLElement>("tr[data-row]")];
      const body = rows[0]?.parentElement?.getBoundingClientRect();
      const height = rows[0]?.getBoundingClientRect().height ?? 0;
      const wrong = rows.filter((it) => {
        const place = (Number(it.ariaRowIndex) - 2) * height;
        return Math.abs(it.getBoundingClientRect().top - (body?.top ?? 0) - place) > 2;
      });
      const seen = rows.filter((it) => {
        const { top, bottom } = it.getBoundingClientRect();
        return bottom > 0 && top < innerHeight;
      });
      return {
        drawn: rows.length,
        wrong: wrong.length,
        first: Number(seen[0]?.ariaRowIndex),
        last: Number(seen.at(-1)?.ariaRowIndex),
        fills: (seen.length + 1) * height > innerHeight - 300,
      };
    });
  await expect.poll(async () => (await look()).first).toBe(2);
  const top = await look();
  expect(top).toMatchObject({ wrong: 0, first: 2 });
  expect(top.drawn).toBeLessThan(100);

  const end = await measure(page);
  await page.evaluate(async () => {
    const bottom = document.documentElement.scrollHeight;
    const steps = 240;
    for (let step = 1; step <= steps; step++) {
      scrollTo(0, (bottom * step) / steps);
      await new Promise(requestAnimationFrame);
    }
  });
  const taken = await end();
  report(info, "scrolling 10,000 rows", taken);
  expect(taken.cpu / taken.frames.length).toBeLessThan(0.03);
  await expect.poll(async () => (await look()).last).toBeGreaterThan(10_000);
  await expect(page.getByText("00000000", { exact: true })).toBeVisible();
  const bottom = await look();
  expect(bottom).toMatchObject({ wrong: 0 });
  expect(bottom.drawn).toBeLessThan(100);

  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight / 2));
  await expect.poll(async () => (await look()).fills).toBe(true);
  const middle = await look();
  expect(middle.wrong).toBe(0);
  expect(middle.first).toBeGreaterThan(4_000);
  expect(middle.last).toBeLessThan(6_000);
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
