import { checked, entries, node, panel, pick, write, wrong } from "./editor";
import { expect, signIn, test, user } from "./server";
import { REFUND } from "./workflows";

test.use({ of: "workflow-editor" });

interface Definition {
  steps: Record<string, unknown>[];
  version: number;
  triggers?: Record<string, unknown>[];
}

test("a workflow is put together entry by entry, and what is wrong is said while it is typed", async ({
  signedIn: page,
  server,
}) => {
  await page.goto(`${server.url}/ui/workflows`);
  await page.getByRole("link", { name: "New workflow" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill("order");

  await pick(page, "Add an entry…", "tool");
  await expect(panel(page).getByRole("heading", { name: "tool" })).toBeVisible();
  await page.getByRole("combobox", { name: "Tool", exact: true }).fill("current_tme");
  await page.keyboard.press("Enter");
  await expect(page.getByText("One thing is wrong")).toBeVisible();
  await expect(node(page, "tool")).toContainText("current_tme");
  await expect(node(page, "tool").getByRole("img", { name: /^Wrong: No tool is named/ })).toBeVisible();
  await expect(panel(page).getByText("/steps/1/tool")).toBeVisible();
  await page.getByRole("button", { name: "current_time", exact: true }).click();
  await expect(page.getByText("One thing is wrong")).toHaveCount(0);

  // Its id is changed, and what reads it reads it by its new id.
  await pick(page, "Add after…", "conditional");
  await page
    .getByLabel("Left", { exact: true })
    .or(page.getByLabel("Value", { exact: true }))
    .fill("/steps/tool/output/now");
  await node(page, "tool").click();
  await panel(page).getByLabel("Id", { exact: true }).fill("clock");
  await node(page, "conditional").click();
  await expect(page.getByLabel("Value", { exact: true })).toHaveValue("/steps/clock/output/now");

  await page.getByRole("combobox", { name: /^Case 1.*: rule/ }).selectOption("gt");
  await expect(page.getByLabel("Left", { exact: true })).toHaveValue("/steps/clock/output/now");
  await page.getByRole("combobox", { name: "Right is" }).selectOption("text");
  await page.getByLabel("Right", { exact: true }).fill("2026");
  await pick(page, "Add into case 1…", "approval");
  await panel(page).getByLabel("Question").fill("Is {{ steps.clock.output.now }} fine?");
  await panel(page).getByLabel("Seconds at most").fill("60");
  await node(page, "conditional").click();
  await pick(page, "Add into otherwise…", "fail");
  await checked(page, "It is too early.", () => panel(page).getByLabel("Message").fill("It is too early."));
  await expect(page.getByText(/ wrong$/)).toHaveCount(0);

  await page.keyboard.press("Control+s");
  await expect(page).toHaveURL(`${server.url}/ui/workflows/order`);
  const saved = await server.admin<Definition>("GET", "/workflows/definitions/order");
  expect(saved.steps.slice(1)).toEqual([
    { id: "clock", type: "tool", tool: "current_time" },
    {
      id: "conditional",
      type: "conditional",
      cases: [
        {
          when: { op: "gt", left: { $: "/steps/clock/output/now" }, right: "2026" },
          then: [
            {
              id: "approval",
              type: "approval",
              message: "Is {{ steps.clock.output.now }} fine?",
              timeout_ms: 60_000,
            },
          ],
        },
      ],
      otherwise: [{ id: "fail", type: "fail", message: "It is too early." }],
    },
  ]);
});

test("entries of each type can be made, and say what they need", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/workflows/new`);
  await page.getByRole("button", { name: "Add an entry…" }).click();
  const types = await page.getByRole("menuitem").allTextContents();
  expect(types).toHaveLength(15);
  await page.keyboard.press("Escape");
  for (const type of types) {
    await pick(page, "Add an entry…", type);
    await expect(panel(page).getByRole("button", { name: `Type: ${type}` })).toBeVisible();
  }
  await expect(page.getByRole("heading", { name: "This page cannot be shown" })).toHaveCount(0);
  await expect(entries(page).getByRole("button", { pressed: true })).toHaveCount(1);
  await expect(page.getByText(/things are wrong$/)).toBeVisible();
});

test("an entry has an address, is moved, connected and deleted", async ({ signedIn: page, server }) => {
  const steps = ["a", "b", "c"].map((id) => ({ id, type: "mapping", output: id }));
  await server.admin("POST", "/workflows/definitions", { name: "letters", steps });
  await page.goto(`${server.url}/ui/workflows/letters?entry=1`);
  await expect(panel(page).getByLabel("Id", { exact: true })).toHaveValue("b");
  await node(page, "c").click();
  await expect(page).toHaveURL(/entry=2/);
  await page.reload();
  await expect(node(page, "c")).toHaveAttribute("aria-pressed", "true");

  // Arrows lead from one to the next.
  await node(page, "c").focus();
  await page.keyboard.press("ArrowUp");
  await expect(node(page, "b")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(panel(page).getByLabel("Id", { exact: true })).toHaveValue("b");

  await page.getByRole("button", { name: "Move up" }).click();
  await expect(page).toHaveURL(/entry=0/);
  // What each waits for is said from the beginning; another one makes a graph of the list.
  await node(page, "c").click();
  await expect(page.getByRole("button", { name: "one by one" })).toHaveAttribute("aria-pressed", "true");
  await expect(page.getByRole("button", { name: "Remove a", exact: true })).toBeVisible();
  await page.getByRole("combobox", { name: "Begins after" }).fill("b");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "as a graph" })).toHaveAttribute("aria-pressed", "true");
  await page.getByRole("button", { name: "Remove a", exact: true }).click();
  // A line from one to another connects them, or no longer; none leads round.
  await node(page, "a").dragTo(node(page, "c"));
  await expect(page.getByRole("button", { name: "Remove a", exact: true })).toBeVisible();
  await node(page, "c").dragTo(node(page, "b"));
  await expect(page.getByText("c waits for b already")).toBeVisible();
  await node(page, "a").dragTo(node(page, "c"));
  await expect(page.getByRole("button", { name: "Remove a", exact: true })).toHaveCount(0);
  await page.getByRole("button", { name: /Save workflow/ }).click();
  await expect(page.getByText("Version 2 is executed from now on")).toBeVisible();
  expect((await server.admin<Definition>("GET", "/workflows/definitions/letters")).steps).toEqual([
    { id: "b", type: "mapping", output: "b", depends_on: [] },
    { id: "a", type: "mapping", output: "a", depends_on: ["b"] },
    { id: "c", type: "mapping", output: "c", depends_on: ["b"] },
  ]);

  await node(page, "b").click();
  await page.getByRole("button", { name: "Delete entry" }).click();
  await expect(node(page, "b")).toHaveCount(0);
  await expect(node(page, "a")).toBeFocused();
  await node(page, "a").click();
  await expect(page.getByRole("button", { name: "Remove b", exact: true })).toHaveCount(0);
  await page.getByRole("button", { name: "Discard" }).click();
  await expect(node(page, "b")).toHaveCount(1);
});

test("form and JSON are two views of one workflow, and changes are not lost", async ({
  signedIn: page,
  server,
}) => {
  await server.admin("POST", "/workflows/definitions", REFUND);
  await page.goto(`${server.url}/ui/workflows/refund?entry=2`);
  // The editor of JSON draws what is seen of it.
  await page.setViewportSize({ width: 1280, height: 4000 });
  await panel(page).getByLabel("Turns at once").fill("4");
  await page.getByRole("button", { name: "JSON", exact: true }).click();
  const json = page.getByLabel("Definition", { exact: true });
  await expect(json).toContainText('"concurrency": 4');
  const body = await server.admin<Definition & Record<string, unknown>>(
    "GET",
    "/workflows/definitions/refund",
  );
  const changed = {
    ...REFUND,
    steps: body.steps.with(0, { id: "read", type: "mapping", output: { total: 7 } }),
  };
  await write(page, "Definition", JSON.stringify(changed));
  await page.getByRole("button", { name: "Form", exact: true }).click();
  await expect(node(page, "read")).toContainText("gives { total }");
  await panel(page).getByLabel("Turns at once").fill("many");
  await expect(page.getByRole("status").filter({ hasText: "1 field cannot be read" })).toBeVisible();
  await page.getByRole("button", { name: "JSON", exact: true }).click();
  await expect(panel(page).getByLabel("Turns at once")).toBeFocused();
  await expect(panel(page).getByLabel("Turns at once")).toHaveValue("many");
  await panel(page).getByLabel("Turns at once").fill("2");

  await page.getByRole("link", { name: "Versions" }).click();
  await expect(page.getByRole("dialog", { name: "Leave without saving?" })).toBeVisible();
  await page.getByRole("button", { name: "Stay here" }).click();
  await server.admin("PUT", "/workflows/definitions/refund", { description: "Theirs." });
  await page.getByRole("button", { name: /Save workflow/ }).click();
  await expect(page.getByRole("alert")).toContainText(/version/i);
  await page.getByRole("button", { name: "Put mine on top" }).click();
  await expect(page.getByText("Version 3 is executed from now on")).toBeVisible();
  await page.getByRole("link", { name: "Versions" }).click();
  await expect(page.getByRole("region", { name: "Changes" })).toContainText("steps");
  await page.goto(`${server.url}/ui/workflows/refund?tab=versions&version=1`);
  await page.getByRole("button", { name: "Restore" }).last().click();
  await expect(page.getByText("Version 4 is a copy of version 1")).toBeVisible();

  await page.getByRole("link", { name: "Copy", exact: true }).click();
  await page.getByLabel("Name", { exact: true }).fill("refund_2");
  await page.keyboard.press("Control+s");
  await expect(page).toHaveURL(`${server.url}/ui/workflows/refund_2`);
  await page.getByRole("button", { name: "Deactivate" }).click();
  await expect(page.getByText("is inactive: it answers nobody")).toBeVisible();
  await page.getByRole("button", { name: "Delete workflow…" }).click();
  await page.getByRole("button", { name: "Delete workflow", exact: true }).click();
  await expect(page).toHaveURL(`${server.url}/ui/workflows`);
  await expect(page.getByRole("link", { name: "Refund", exact: true })).toHaveCount(1);
});

test("what the server refuses leads to the entry that it is about", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/workflows/new`);
  await page.getByLabel("Name", { exact: true }).fill("wrong");
  await pick(page, "Add an entry…", "parallel");
  await pick(page, "Add into a…", "agent");
  await page.getByRole("button", { name: "Close the entry" }).click();
  await page.keyboard.press("Control+s");
  await expect(page.getByRole("alert")).toBeVisible();
  await wrong(page).getByRole("button", { name: "agent", exact: true }).click();
  await expect(panel(page).getByRole("combobox", { name: "Agent", exact: true })).toBeVisible();
  await expect(panel(page).getByText("/steps/1/branches/a/0/agent")).toBeVisible();
});

test("on a narrow screen the graph is a list, and an entry opens below it", async ({
  signedIn: page,
  server,
}) => {
  await page.setViewportSize({ width: 375, height: 780 });
  await server.admin("POST", "/workflows/definitions", { ...REFUND, name: "narrow" });
  await page.goto(`${server.url}/ui/workflows/narrow`);
  await expect(page.getByRole("group", { name: /^Graph of/ })).toHaveCount(0);
  await node(page, "ok").click();
  await expect(panel(page).getByLabel("Question")).toBeInViewport();
  await node(page, "ok").focus();
  await page.keyboard.press("ArrowDown");
  await expect(node(page, "small")).toBeFocused();
});

test("who may only run sees no definition, and who may only look is told what he needs", async ({
  page,
  server,
}) => {
  await server.admin("POST", "/workflows/definitions", { ...REFUND, name: "theirs", display_name: "Theirs" });
  await signIn(page, server, await user(server, "olaf", "operator"), "/ui/workflows");
  await expect(page.getByRole("link", { name: "New workflow" })).toHaveCount(0);
  await page.getByRole("link", { name: "Theirs" }).click();
  await expect(page.getByRole("button", { name: "Run workflow" })).toBeVisible();
  await expect(page.getByRole("link", { name: "Definition" })).toHaveCount(0);
  await page.goto(`${server.url}/ui/workflows/thiers`);
  await page.getByRole("link", { name: "theirs" }).click();
  await expect(page).toHaveURL(`${server.url}/ui/workflows/theirs`);

  await page.context().clearCookies();
  await signIn(page, server, await user(server, "vera", "viewer"), "/ui/workflows/theirs?tab=editor&entry=0");
  await expect(page.getByText("Running workflows needs workflow.execute.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Run workflow" })).toBeDisabled();
  await expect(page.getByRole("button", { name: "Delete workflow…" })).toHaveCount(0);
});

test("triggers are put together, with the next times of a schedule", async ({ signedIn: page, server }) => {
  await server.admin("POST", "/secrets", {
    name: "hook_key",
    value: `whsec_${Buffer.alloc(32, 7).toString("base64")}`,
    hosts: ["hooks.example.com"],
  });
  await server.admin("POST", "/workflows/definitions", { ...REFUND, name: "begun", display_name: "Begun" });
  await page.goto(`${server.url}/ui/workflows/begun?tab=triggers`);
  await page.getByRole("link", { name: "Add a trigger" }).click();
  await expect(page).toHaveURL(/tab=triggers-edit/);
  await pick(page, "Add a trigger…", "a schedule");
  await page.getByLabel("Schedule").fill("30 2 * * mon");
  await page.getByLabel("Time zone").fill("Europe/Berlin");
  await expect(page.getByRole("list", { name: "Next times" }).getByRole("listitem")).toHaveCount(5);
  await expect(page.getByRole("list", { name: "Next times" })).toContainText(/^Monday.* at 02:30/);
  await page.getByLabel("Schedule").fill("0 0 31 2 *");
  await expect(page.getByLabel("Schedule")).toHaveAttribute("aria-invalid", "true");
  await page.getByLabel("Schedule").fill("@daily");
  await page.getByLabel("A time that was missed").selectOption("once");
  await write(page, "Input", '{"order": "A-1", "total": 1}');

  await pick(page, "Add a trigger…", "a webhook, signed");
  const hook = page.getByRole("region", { name: "Trigger 2" });
  await hook.getByLabel("Path").fill("orders-new");
  await hook.getByRole("combobox", { name: "Secret", exact: true }).fill("hook_key");
  await page.keyboard.press("Enter");
  await pick(page, "Add a trigger…", "an event");
  await page.getByRole("region", { name: "Trigger 3" }).getByLabel("Event").fill("paid");
  await page.getByRole("button", { name: /Save workflow/ }).click();
  await expect(page.getByText("Version 2 is executed from now on")).toBeVisible();
  expect(await server.admin<Definition>("GET", "/workflows/definitions/begun")).toMatchObject({
    triggers: [
      { type: "cron", cron: "@daily", timezone: "Europe/Berlin", missed: "once" },
      { type: "webhook", path: "orders-new", secret: "hook_key" },
      { type: "event", name: "paid" },
    ],
  });
  await page.getByRole("button", { name: "Remove trigger 3" }).click();
  await page.getByRole("button", { name: "As they are" }).click();
  await page.getByRole("button", { name: "Leave, and lose the changes" }).click();
  await expect(page.getByRole("table", { name: "Triggers" }).getByRole("row")).toHaveCount(4);
  await page.goto(`${server.url}/ui/workflows`);
  await expect(page.getByRole("row", { name: /^Begun Looks/ })).toContainText("POST /hooks/orders-new");
});
