import { checked, entries, goTo, node, panel, pick, write, wrong } from "./editor";
import { expect, signIn, test, user } from "./server";
import { REFUND } from "./workflows";

test.use({ of: "workflow-editor-care" });

interface Definition {
  version: number;
  scopes: string[];
  steps: Record<string, unknown>[];
}

const mapping = (id: string, more: object = {}) => ({ id, type: "mapping", output: id, ...more });
const saved = (n: number) => `Version ${n} is executed from now on`;

test("saving leaves everything where it is, and what is typed meanwhile", async ({
  signedIn: page,
  server,
}) => {
  await server.admin("POST", "/workflows/definitions", { name: "kept", steps: [mapping("a"), mapping("b")] });
  await page.goto(`${server.url}/ui/workflows/kept`);

  // What stands in a field that takes it when it is left is saved, too; and the field is not left.
  const scopes = page.getByRole("combobox", { name: "Scopes" });
  await scopes.pressSequentially("rfp.process");
  await scopes.press("Control+s");
  await expect(page.getByText(saved(2))).toBeVisible();
  await expect(scopes).toBeFocused();
  expect((await server.admin<Definition>("GET", "/workflows/definitions/kept")).scopes).toContain(
    "rfp.process",
  );

  let answer = () => {};
  const held = new Promise<void>((go) => {
    answer = go;
  });
  await page.route("**/workflows/definitions/*", async (route) => {
    if (route.request().method() === "PUT") await held;
    await route.continue();
  });
  const name = page.getByLabel("Display name");
  await name.fill("First");
  await name.press("Control+s");
  await expect(page.getByRole("button", { name: "Saving…" })).toBeVisible();
  await name.fill("First, and second");
  answer();
  await expect(page.getByText(saved(3))).toBeVisible();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("First");
  await expect(name).toBeFocused();
  await expect(name).toHaveValue("First, and second");
  await expect(page.getByRole("button", { name: "Discard" })).toBeEnabled();
  await name.press("Control+s");
  await expect(page.getByText(saved(4))).toBeVisible();
  await expect(page.getByRole("button", { name: "Discard" })).toBeDisabled();

  // What was deleted before it was saved can be put back afterwards.
  await node(page, "b").click();
  await page.getByRole("button", { name: "Delete entry" }).click();
  await page.getByRole("button", { name: "JSON", exact: true }).click();
  await expect(page.getByLabel("Definition", { exact: true })).not.toContainText('"b"');
  await page.keyboard.press("Control+s");
  await expect(page.getByText(saved(5))).toBeVisible();
  await expect(page.getByLabel("Definition", { exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Form", exact: true }).click();
  await node(page, "a").click();
  await page.getByRole("button", { name: "Delete entry" }).click();
  await page.keyboard.press("Control+s");
  await expect(page.getByRole("alert")).toBeVisible();
  await page.getByRole("button", { name: "Undo", exact: true }).last().click();
  await expect(node(page, "a")).toBeVisible();
  await expect(page.getByRole("button", { name: "Discard" })).toBeDisabled();
});

test("each workflow has an editor of its own, and none is left with changes unasked", async ({
  signedIn: page,
  server,
}) => {
  for (const id of ["one", "two"])
    await server.admin("POST", "/workflows/definitions", {
      name: id,
      display_name: id === "one" ? "Number one" : "Number two",
      steps: [mapping(`of_${id}`)],
    });
  await page.goto(`${server.url}/ui/workflows/one`);
  await expect(node(page, "of_one")).toBeVisible();
  await goTo(page, "Number two");
  await expect(node(page, "of_two")).toBeVisible();
  // This one is known already.
  await goTo(page, "Number one");
  await expect(page).toHaveURL(/workflows\/one$/);
  await expect(node(page, "of_one")).toBeVisible();
  await expect(node(page, "of_two")).toHaveCount(0);

  await page.goto(`${server.url}/ui/workflows/new?from=one`);
  await page.getByLabel("Name", { exact: true }).fill("three");
  await goTo(page, "New workflow");
  await expect(page.getByRole("dialog", { name: "Leave without saving?" })).toBeVisible();
  await page.getByRole("button", { name: "Stay here" }).click();
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue("three");
  await expect(page).toHaveURL(/from=one/);
});

test("what takes something away can be undone, as long as it has not been changed since", async ({
  signedIn: page,
  server,
}) => {
  const steps = [
    { id: "both", type: "parallel", branches: { left: [mapping("l")], right: [mapping("r")] } },
    {
      id: "call",
      type: "script",
      code: "return 1;",
      compensate: { id: "undo", type: "script", code: "return 2;" },
    },
    mapping("last", { output: { total: 7, more: { deep: true } } }),
  ];
  await server.admin("POST", "/workflows/definitions", { name: "taken", steps });
  await page.goto(`${server.url}/ui/workflows/taken?entry=0`);
  const undo = page.getByRole("button", { name: "Undo", exact: true });
  const isAsBefore = async () => {
    await expect(page.getByRole("button", { name: "Discard" })).toBeDisabled();
    await expect(undo).toHaveCount(0);
  };

  await page.getByRole("button", { name: "Remove branch left" }).click();
  await expect(node(page, "l")).toHaveCount(0);
  await undo.click();
  await expect(node(page, "l")).toBeVisible();
  await isAsBefore();

  // Arrows on the closed list of types change nothing: they open it.
  const type = panel(page).getByRole("button", { name: "Type: parallel" });
  await type.press("ArrowDown");
  await expect(page.getByRole("menuitem", { name: "agent", exact: true })).toBeFocused();
  await page.keyboard.press("ArrowUp");
  await expect(page.getByRole("menuitem", { name: "fail", exact: true })).toBeFocused();
  await page.keyboard.press("s");
  await expect(page.getByRole("menuitem", { name: "step of the program" })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(type).toBeFocused();
  await isAsBefore();
  await pick(page, "Type: parallel", "sleep");
  await expect(node(page, "r")).toHaveCount(0);
  await undo.click();
  await expect(node(page, "r")).toBeVisible();
  await isAsBefore();

  await node(page, "call").click();
  await page.getByLabel("If the run fails, something makes up for it").uncheck();
  await expect(node(page, "undo")).toHaveCount(0);
  await undo.click();
  await expect(node(page, "undo")).toBeVisible();
  await isAsBefore();

  await node(page, "last").click();
  await page.getByRole("combobox", { name: "Output is" }).selectOption("text");
  await undo.click();
  await expect(panel(page).getByRole("group", { name: "more" })).toBeVisible();
  await isAsBefore();

  // The place where it stood is gone.
  await node(page, "l").click();
  await page.getByRole("button", { name: "Delete entry" }).click();
  await node(page, "both").click();
  await page.getByRole("button", { name: "Delete entry" }).click();
  await expect(node(page, "call")).toBeFocused();
  const undoOf = (id: string) =>
    page
      .getByRole("status")
      .locator("div", { hasText: `Deleted ${id}` })
      .getByRole("button", { name: "Undo", exact: true });
  await undoOf("l").click();
  await expect(page.getByText("nothing is put back")).toBeVisible();
  await expect(node(page, "l")).toHaveCount(0);
  await undoOf("both").click();
  await expect(node(page, "r")).toBeVisible();
  await expect(node(page, "l")).toHaveCount(0);
  await expect(panel(page).getByRole("heading", { name: "both" })).toBeFocused();
});

test("whoever works with keys goes on where he is", async ({ signedIn: page, server }) => {
  const steps = ["a", "b", "c"].map((id) => mapping(id, { depends_on: id === "a" ? [] : ["a"] }));
  await server.admin("POST", "/workflows/definitions", { name: "keys", steps });
  await page.goto(`${server.url}/ui/workflows/keys?entry=2`);
  const up = page.getByRole("button", { name: "Move up" });
  await up.press("Enter");
  await expect(up).toBeFocused();
  await up.press("Enter");
  await expect(page).toHaveURL(/entry=0/);
  await expect(page.getByRole("button", { name: "Move down" })).toBeFocused();
  await page.getByRole("button", { name: "Close the entry" }).press("Enter");
  await expect(node(page, "c")).toBeFocused();

  // Before c, which waits for a: the new one waits for a, and c for it.
  await node(page, "c").press("Enter");
  const before = page.getByRole("button", { name: "Add before…" });
  await before.press("ArrowDown");
  await page.keyboard.press("m");
  await page.keyboard.press("Enter");
  await expect(panel(page).getByRole("heading", { name: "mapping" })).toBeFocused();
  await expect(page.getByRole("button", { name: "Remove a", exact: true })).toBeVisible();
  await node(page, "c").click();
  await expect(page.getByRole("button", { name: "Remove mapping", exact: true })).toBeVisible();

  // A name that another one has takes nothing over; one of its own does.
  await node(page, "a").click();
  const id = panel(page).getByLabel("Id", { exact: true });
  await id.fill("b");
  await id.press("Tab");
  await id.fill("first");
  await id.press("Tab");
  await node(page, "mapping").click();
  await expect(page.getByRole("button", { name: "Remove first", exact: true })).toBeVisible();
});

test("how long it sleeps is said in seconds, read, or JSON", async ({ signedIn: page, server }) => {
  await server.admin("POST", "/workflows/definitions", {
    name: "naps",
    steps: [{ id: "nap", type: "sleep", duration_ms: 1500 }],
  });
  await page.goto(`${server.url}/ui/workflows/naps?entry=0`);
  const how = panel(page).getByRole("combobox", { name: "How long is" });
  const field = panel(page).getByLabel("How long", { exact: true });
  await expect(how).toHaveValue("seconds");
  await expect(field).toHaveValue("1.5");
  await field.fill("2.5");
  await how.selectOption("reads");
  await field.fill("/input/ms");
  await expect(how).toHaveValue("reads");
  await how.selectOption("json");
  await checked(page, "$first", () =>
    write(page, "How long", '{"$first": [{"$": "/input/ms"}, {"$literal": 1000}]}'),
  );
  await expect(how).toHaveValue("json");
  await how.selectOption("seconds");
  await expect(field).toHaveValue("60");
  await page.keyboard.press("Control+s");
  await expect(page.getByText(saved(2))).toBeVisible();
  const { steps } = await server.admin<Definition>("GET", "/workflows/definitions/naps");
  expect(steps).toEqual([{ id: "nap", type: "sleep", duration_ms: 60_000 }]);
});

test("what is refused is said, wherever it stands", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/workflows/new`);
  await pick(page, "Add an entry…", "agent");
  await checked(page, '"agent"', () => panel(page).getByLabel("Id", { exact: true }).fill("ask"));
  await page.keyboard.press("Control+s");
  await expect(page.getByRole("status").filter({ hasText: "would be refused" })).toBeVisible();
  await page.getByRole("button", { name: "JSON", exact: true }).click();
  await expect(page.getByRole("listitem").filter({ hasText: "/steps/1/agent" })).toBeVisible();
  await expect(page.getByRole("listitem").filter({ hasText: "/name" })).toBeVisible();
  await page.getByRole("button", { name: "Form", exact: true }).click();

  // What is wrong with the workflow itself leads to it, out of the entry that is open.
  await expect(panel(page)).toBeVisible();
  await wrong(page).getByRole("button", { name: "the workflow" }).first().click();
  await expect(page.getByLabel("Name", { exact: true })).toHaveAttribute("aria-invalid", "true");
});

test("triggers are checked while they are typed, also what is wrong with one as a whole", async ({
  page,
  server,
}) => {
  await server.admin("POST", "/workflows/definitions", { ...REFUND, name: "begun", display_name: "Begun" });
  const writes = await user(server, "wilma", "viewer", "workflow.write");
  await page.route("**/workflows/schedules/preview", (route) =>
    route.fulfill({ status: 503, json: { type: "/problems/overloaded", detail: "too much to do" } }),
  );
  await signIn(page, server, writes, "/ui/workflows/begun?tab=triggers-edit");
  await pick(page, "Add a trigger…", "a schedule");
  await expect(page.getByText("They cannot be told: Too much to do.")).toBeVisible();
  const first = page.getByRole("region", { name: "Trigger 1" });
  await expect(first.getByText("/triggers/0", { exact: true })).toBeVisible();
  await pick(page, "Add a trigger…", "a call with a token");
  await page.getByRole("region", { name: "Trigger 2" }).getByLabel("Path").fill("no path");
  await expect(page.getByRole("region", { name: "Trigger 2" }).getByLabel("Path")).toHaveAttribute(
    "aria-invalid",
    "true",
  );
});

test("who may only look is offered nothing else", async ({ page, server }) => {
  await server.admin("POST", "/workflows/definitions", { ...REFUND, name: "shown", display_name: "Shown" });
  const looks = await user(server, "liv", "viewer", "admin.read");
  await signIn(page, server, looks, "/ui/workflows/shown");
  await expect(page.getByText("Saving workflows needs workflow.write.")).toBeVisible();
  await expect(page.getByLabel("Display name")).toBeDisabled();
  await node(page, "each").click();
  await expect(panel(page).getByLabel("Id", { exact: true })).toBeDisabled();
  await expect(page.getByRole("button", { name: /^(Save|Add|Delete|Discard|Move)/ })).toHaveCount(0);
  await panel(page).getByRole("button", { name: "Close the entry" }).click();
  await page.getByRole("button", { name: "JSON", exact: true }).click();
  await expect(page.getByLabel("Definition", { exact: true })).toContainText('"shown"');
  await page.getByLabel("Definition", { exact: true }).press("x");
  await expect(page.getByLabel("Definition", { exact: true })).not.toContainText("x{");
  for (const [path, label] of [
    ["agents/demo?tab=definition", "Instructions"],
    ["workflows/shown?tab=triggers-edit", null],
  ] as const) {
    await page.goto(`${server.url}/ui/${path}`);
    await expect(page.getByText(/Saving \w+ needs/)).toBeVisible();
    if (label) await expect(page.getByLabel(label)).toBeDisabled();
    await expect(page.getByRole("button", { name: /^(Save|Add|Discard)/ })).toHaveCount(0);
  }
  await expect(entries(page)).toHaveCount(0);
});
