import { expect, type Page } from "@playwright/test";

export const entries = (page: Page) => page.getByRole("list", { name: "Entries" });
export const node = (page: Page, id: string) =>
  entries(page).getByRole("button", { name: new RegExp(`^\\s*${id}\\b`) });
export const panel = (page: Page) => page.getByRole("complementary", { name: "Entry" });
export const wrong = (page: Page) => page.locator("[data-faults]");

/** Chooses of a menu of verbs. */
export async function pick(page: Page, label: string | RegExp, what: string) {
  await page.getByRole("button", { name: label, exact: true }).click();
  await page.getByRole("menuitem", { name: what, exact: true }).click();
}

/** Types this over all that stands in an editor. */
export async function write(page: Page, label: string, text: string) {
  await page.getByRole("textbox", { name: label, exact: true }).press("Control+a");
  await page.keyboard.type(text.slice(0, 1));
  await page.keyboard.insertText(text.slice(1));
}

/** Opens something by the palette: what is shown gives way to it, and nothing is loaded anew. */
export async function goTo(page: Page, name: string) {
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Find or do" }).fill(name);
  await page.getByRole("option", { name: new RegExp(`^${name}\\b`) }).click();
}

/** Waits until the server has said what is wrong with a workflow that has this in it. */
export async function checked(page: Page, part: string, act: () => Promise<unknown>) {
  const answer = page.waitForResponse(
    (it) => it.url().endsWith("/workflows/drafts/check") && (it.request().postData() ?? "").includes(part),
  );
  await act();
  expect((await answer).status()).toBe(200);
}
