import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "./server";

test.use({ of: "rag" });

test("documents are brought, read, searched and deleted", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/rag`);
  await page.getByRole("button", { name: "New database…" }).click();
  await page.getByLabel("Name", { exact: true }).fill("hand book");
  await page.getByRole("button", { name: "Make database" }).click();
  await expect(page.getByText("/name").first()).toBeVisible();
  await page.getByLabel("Name", { exact: true }).fill("handbook");
  await page.getByLabel("Passage, characters").fill("80");
  await page.getByLabel("Overlap").fill("20");
  await page.getByRole("button", { name: "Make database" }).click();
  await expect(page).toHaveURL(`${server.url}/ui/rag/handbook`);

  const text =
    "# Leave\n\nParental leave lasts 26 weeks, and is paid in full.\n\n# Travel\n\nTrains are booked by the desk; write to it a week ahead.\n";
  const files = ["leave.md", "same.md", "empty.pdf"].map((name, at) => ({
    name,
    mimeType: "text/plain",
    buffer: Buffer.from(at < 2 ? text : "%PDF-1.7\nbroken"),
  }));
  await page.getByLabel("choose files").setInputFiles(files.slice(0, 1));
  await expect(page.getByText("1 of 1 file")).toBeVisible();
  await page.getByLabel("choose files").setInputFiles(files.slice(1));
  await expect(page.getByText("3 of 3 files")).toBeVisible();
  await expect(page.getByRole("row", { name: /leave\.md/ })).toContainText(/passage/);
  await expect(page.getByRole("row", { name: /empty\.pdf/ })).toContainText("Failed");
  await expect(
    page.getByRole("row", { name: /empty\.pdf/ }).getByRole("button", { name: "Retry" }),
  ).toBeVisible();
  await expect(page.getByText("is there already")).toBeVisible();

  await page.getByRole("link", { name: "leave.md" }).click();
  const passages = page.getByRole("group", { name: "Passages" });
  await passages.getByRole("button").first().click();
  await expect(page).toHaveURL(/chunk=0/);
  await expect(page.getByRole("heading", { name: "Passage 1" })).toBeVisible();
  await page.keyboard.press("ArrowDown");
  await expect(passages.getByRole("button").nth(1)).toBeFocused();

  await page.goto(`${server.url}/ui/rag/handbook?tab=search`);
  await page.getByLabel("Question").fill("parental leave");
  await page.getByLabel("Compare with").selectOption("keyword");
  await page.getByRole("button", { name: "Search", exact: true }).click();
  await expect(page.getByRole("region", { name: "Found by keyword" }).locator("mark").first()).toContainText(
    /leave/i,
  );
  await expect(page).toHaveURL(/q=parental\+leave/);

  await page.getByRole("link", { name: /Documents/ }).click();
  await page.getByRole("button", { name: "Delete leave.md" }).click();
  await expect(page.getByText(/Deleted “leave.md”/)).toBeVisible();
  await page.getByRole("button", { name: "Delete database…" }).click();
  await page.getByRole("button", { name: "Delete database", exact: true }).click();
  await expect(page.getByText("No databases yet")).toBeVisible();
});

test("a folder is dropped, what failed is tried again, and all is made anew", async ({
  signedIn: page,
  server,
}) => {
  await server.admin("POST", "/rag/databases", { name: "shelf" });
  const folder = mkdtempSync(join(tmpdir(), "agent-server-ui-dropped-"));
  mkdirSync(join(folder, "below"));
  for (let n = 0; n < 12; n++) writeFileSync(join(folder, "below", `note ${n}.txt`), `Note number ${n}.`);
  writeFileSync(join(folder, "broken.pdf"), "%PDF-1.7\nbroken");
  try {
    await page.goto(`${server.url}/ui/rag/shelf`);
    await page.getByText("Drop files or folders here").waitFor();
    const place = await page.getByRole("region", { name: "Upload" }).boundingBox();
    if (!place) throw new Error("there is no place to drop");
    const devtools = await page.context().newCDPSession(page);
    const data = {
      items: [],
      files: [join(folder, "below"), join(folder, "broken.pdf")],
      dragOperationsMask: 1,
    };
    for (const type of ["dragEnter", "dragOver", "drop"] as const) {
      await devtools.send("Input.dispatchDragEvent", { type, x: place.x + 20, y: place.y + 20, data });
    }
    await expect(page.getByText("13 of 13 files")).toBeVisible();
    await expect(page.getByRole("row", { name: /note 11\.txt/ })).toContainText("1 passage");
    const broken = page.getByRole("row", { name: /broken\.pdf/ });
    await expect(broken).toContainText("Failed");
    const [tried] = await Promise.all([
      page.waitForResponse((it) => it.url().endsWith("/retry")),
      broken.getByRole("button", { name: "Retry" }).click(),
    ]);
    expect(tried.status()).toBe(202);
    await page.getByRole("button", { name: "Delete broken.pdf" }).click();
    await expect(broken).toHaveCount(0);

    await page.getByRole("button", { name: "Reindex" }).click();
    await expect(page.getByText("generation 2")).toBeVisible({ timeout: 20_000 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
