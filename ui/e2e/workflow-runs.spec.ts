import type { Page } from "@playwright/test";
import { expect, signIn, test, user } from "./server";
import { BESIDE, begin, MANY, once, runWorkflows } from "./workflows";

test.use({ of: "workflow-runs" });

let runs: Awaited<ReturnType<typeof runWorkflows>>;
test.beforeAll(async ({ server }) => {
  runs = await runWorkflows(server.admin);
});

const entry = (page: Page, id: string) =>
  page.getByRole("list", { name: "Entries" }).getByRole("button", { name: new RegExp(`^\\s*${id}\\b`) });
const details = (page: Page) => page.getByRole("complementary", { name: "Details" });

test("a workflow is run by a form of its schema, and by JSON, and asks where it is run", async ({
  signedIn: page,
  server,
}) => {
  await page.goto(`${server.url}/ui/workflows/refund?tab=run`);
  await page.getByLabel(/^Order/).fill("A-20");
  await page.getByLabel(/^Total/).fill("a lot");
  await expect(page.getByText("A number.")).toBeVisible();
  await page.getByLabel(/^Total/).fill("240");
  await expect(page.getByText(/"total":240/)).toBeVisible();
  await page.getByRole("button", { name: "Run workflow" }).click();
  await expect(page).toHaveURL(/run=/);

  // What the decision gives is checked by its schema, and becomes what the entry gives.
  const question = page.getByRole("article", { name: "Refund 240 for A-20?" });
  await expect(question).toContainText("If nobody does in time, that is a no.");
  await question.getByLabel(/^Amount/).fill("900");
  await question.getByRole("button", { name: "Approve" }).click();
  await expect(question.getByRole("alert")).toContainText("/payload");
  await question.getByLabel(/^Amount/).fill("200");
  await question.getByRole("button", { name: "Approve" }).click();
  await expect(page.getByRole("figure", { name: "Result" })).toContainText('"answer"');

  await page.getByRole("button", { name: "Use its arguments" }).click();
  await expect(page.getByLabel(/^Order/)).toHaveValue("A-20");
  await page.getByRole("button", { name: "JSON", exact: true }).click();
  await page.getByRole("textbox", { name: "Input", exact: true }).press("Control+a");
  await page.keyboard.insertText("[7]");
  await page.getByRole("button", { name: "Run workflow" }).click();
  await expect(page.getByText("/input").first()).toBeVisible();

  await page.getByRole("button", { name: "Python" }).click();
  await expect(page.getByText(/urlopen/)).toBeVisible();
  await page.getByRole("link", { name: "Open run" }).click();
  await expect(page.getByRole("group", { name: "Graph of 7 entries" })).toBeVisible();
});

test("a run is seen on its graph as it goes on, and decided there", async ({ signedIn: page, server }) => {
  const id = (await begin(server.admin, "refund", { order: "B-1", total: 300 })).id;
  await page.goto(`${server.url}/ui/runs/${id}`);
  await expect(entry(page, "ok")).toContainText("asks a person");
  await expect(entry(page, "small")).toHaveAccessibleName(/Not taken/);
  await expect(entry(page, "each")).toContainText("to come");
  await entry(page, "ok").click();
  await expect(page).toHaveURL(/entry=ok/);
  await expect(details(page)).toContainText("It asks a person");
  await expect(details(page).getByRole("figure", { name: "Input" })).toContainText('"total": 300');

  await page
    .getByRole("article")
    .getByLabel(/^Amount/)
    .fill("250");
  await page.getByRole("article").getByLabel(/^Note/).fill("as agreed");
  await page.getByRole("button", { name: "Approve" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Succeeded");
  await expect(details(page)).toContainText("approve by client:admin");
  await expect(details(page).getByRole("figure", { name: "Output" })).toContainText('"note": "as agreed"');

  await expect(entry(page, "each")).toContainText("3 turns");
  await entry(page, "line").click();
  await details(page).getByLabel("Turn").selectOption("each[1]");
  await expect(page).toHaveURL(/turn=each/);
  await expect(details(page).getByRole("figure", { name: "Output" })).toContainText("4");
  await page.reload();
  await expect(details(page).getByLabel("Turn")).toHaveValue("each[1]");

  await entry(page, "answer").click();
  await expect(details(page).getByRole("figure", { name: "Input" })).toContainText("Hello B-1");
  await details(page).getByRole("link", { name: "Open the run below" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("demo");
  await page.getByRole("link", { name: id.slice(-8) }).click();
  await page.getByRole("link", { name: "Waterfall" }).click();
  await expect(page.getByRole("row", { name: /answer/ })).toBeVisible();
});

test("what waits says for what and until when, and goes on by itself", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/runs/${runs.waits}`);
  await expect(entry(page, "nap")).toContainText(/wakes at \d/);
  await expect(entry(page, "paid")).toContainText("waits for payment");
  await expect(entry(page, "again")).toContainText(/again at \d/);
  await expect(entry(page, "both")).toContainText("Waiting");
  await expect(page.getByRole("region", { name: "Waits for" })).toContainText("the event payment of A-17");
  await entry(page, "again").click();
  await expect(details(page)).toContainText("the shop is closed");
  await entry(page, "paid").click();
  await page.getByRole("button", { name: "Send the event…" }).click();
  await expect(page.getByLabel("Key")).toHaveValue("A-17");
  await page.getByRole("button", { name: "Send event" }).click();
  await expect(page.getByText("It went to 1 run that waited for it, and began 1 run")).toBeVisible();
  await expect(entry(page, "paid")).toContainText("Succeeded");
  await page.getByRole("button", { name: "Cancel run…" }).click();
  await page.getByRole("button", { name: "Cancel run", exact: true }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Canceled");
  await expect(entry(page, "nap")).toContainText("Canceled");
  await expect(entry(page, "after")).toHaveAccessibleName(/Not taken/);
});

test("what a run below asks is decided on the page of the one above", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/runs/${runs.below}`);
  const question = page.getByRole("article", { name: "Refund 150 for D-4?" });
  await expect(page.getByRole("region", { name: "Waits for" }).getByRole("link")).toHaveText(
    /^the run .+ below$/,
  );
  await question.getByLabel(/^Amount/).fill("120");
  await question.getByRole("button", { name: "Approve" }).click();
  await expect(question).toHaveCount(0);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Succeeded");
  await entry(page, "below").click();
  await details(page).getByRole("link", { name: "Open the run below" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("refund");
});

test("what is asked beside something that goes on is decided meanwhile", async ({
  signedIn: page,
  server,
}) => {
  await server.admin("POST", "/tools/definitions", {
    name: "held",
    description: "Takes long.",
    kind: "http",
    input_schema: { type: "object" },
    config: { url: `${server.upstream.origin}/held`, allow_http: true },
  });
  await server.admin("POST", "/workflows/definitions", BESIDE);
  const { id } = await begin(server.admin, "beside", {});
  await page.goto(`${server.url}/ui/runs/${id}`);
  const question = page.getByRole("article", { name: "Go on?" });
  await expect(question).toBeVisible();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Running");
  await page.goto(`${server.url}/ui/workflows/beside?tab=run&run=${id}`);
  await question.getByRole("button", { name: "Approve" }).click();
  await expect(question).toHaveCount(0);
  await page.getByRole("link", { name: "Open run" }).click();
  await expect(entry(page, "ok")).toContainText("Succeeded");
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Running");
});

test("of a long log little is drawn, wherever one looks", async ({ signedIn: page, server }) => {
  await server.admin("POST", "/workflows/definitions", MANY);
  const { id } = await begin(
    server.admin,
    "many",
    Array.from({ length: 400 }, (_, at) => at),
  );
  await once(server.admin, id, "succeeded");
  await page.goto(`${server.url}/ui/runs/${id}?tab=events`);
  const events = page.getByRole("region", { name: "Events" });
  await events.getByText("run.started").click();
  await expect(events.getByRole("figure", { name: "Data" })).toHaveCount(1);
  expect(await events.getByRole("listitem").count()).toBeLessThan(300);
  await page.keyboard.press("End");
  await expect(events.getByText("run.finished")).toBeInViewport();
  await expect(events.getByText("run.started")).toHaveCount(0);
  expect(await events.getByRole("listitem").count()).toBeLessThan(300);
  await page.keyboard.press("Home");
  await expect(events.getByRole("figure", { name: "Data" })).toBeInViewport();

  await page.goto(`${server.url}/ui/workflows/many?tab=run&run=${id}`);
  await expect(page.getByRole("list", { name: "What happened" }).getByRole("listitem")).toHaveCount(200);
  await page.getByRole("link", { name: /events$/ }).click();
  await expect(page).toHaveURL(new RegExp(`${id}\\?tab=events`));
});

test("the list holds what the graph does", async ({ signedIn: page, server }) => {
  await page.setViewportSize({ width: 375, height: 780 });
  await page.goto(`${server.url}/ui/runs/${runs.done}`);
  const list = page.getByRole("list", { name: "Entries" });
  await expect(list.getByText("case 1: /steps/read/output/total > 100")).toBeVisible();
  await expect(list.getByText("otherwise", { exact: true }).last()).toBeVisible();
  await page.goto(`${server.url}/ui/workflows/graph`);
  await expect(entry(page, "tell")).toContainText("agent demo, after clock, weigh");
  await page.goto(`${server.url}/ui/workflows/new`);
  await page.getByRole("button", { name: "Add an entry…" }).click();
  await page.getByRole("menuitem", { name: "conditional" }).click();
  await expect(list.getByRole("button", { name: "Add here" })).toHaveCount(2);
});

test("a run goes on from an entry, with something else than was recorded", async ({
  signedIn: page,
  server,
}) => {
  await page.goto(`${server.url}/ui/runs/${runs.fails}`);
  await expect(page.getByRole("alert").first()).toContainText("it does not work");
  await entry(page, "second").click();
  await page.getByRole("button", { name: "Fork from here…" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByLabel("From entry")).toHaveValue("second");
  await dialog.getByRole("combobox", { name: "Something else for" }).fill("first");
  await page.keyboard.press("Enter");
  const output = dialog.getByLabel("Output of first");
  await expect(output).toHaveValue('{\n  "works": false\n}');
  await output.fill("{");
  await expect(dialog.getByText(/Line 1/)).toBeVisible();
  await output.fill('{"works": true}');
  await dialog.getByRole("button", { name: "Fork run" }).click();
  await expect(page).not.toHaveURL(new RegExp(runs.fails));
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Succeeded");
  await page.getByRole("link", { name: "Input and output" }).click();
  await expect(page.getByRole("figure", { name: "Output" })).toContainText("it works");

  await page.goto(`${server.url}/ui/runs/${runs.fails}`);
  await page.getByRole("button", { name: "Retry from the failure" }).click();
  await expect(page).not.toHaveURL(new RegExp(runs.fails));
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Failed");
});

test("the inbox asks for what a decision gives, and keys do not skip it", async ({
  signedIn: page,
  server,
}) => {
  await page.goto(`${server.url}/ui/approvals`);
  const question = page.getByRole("article", { name: "Refund 140 for A-17?" });
  await expect(question.getByLabel(/^Amount/)).toBeVisible();
  const decided: unknown[] = [];
  page.on("request", (it) => it.method() === "POST" && decided.push(it.postDataJSON()));
  await page.keyboard.press("a");
  await question.getByLabel(/^Amount/).fill("100");
  await question.getByRole("button", { name: "Approve" }).click();
  await expect(question).toHaveCount(0);
  expect(decided).toEqual([expect.objectContaining({ decision: "approve", payload: { amount: 100 } })]);
  await once(server.admin, runs.asks, "succeeded");
  await page.goto(`${server.url}/ui/runs?kind=workflow`);
  await expect(page.getByRole("table", { name: "Runs" }).getByText("demo")).toHaveCount(0);
  await expect(page.getByRole("link", { name: "refund" }).first()).toBeVisible();
});

test("who may not read the workflow sees what has begun", async ({ page, server }) => {
  const olaf = await user(server, "olaf", "operator");
  await signIn(page, server, olaf, "/ui/workflows/refund?tab=run");
  await page.getByLabel(/^Order/).fill("C-1");
  await page.getByLabel(/^Total/).fill("10");
  await page.getByRole("button", { name: "Run workflow" }).click();
  await page.getByRole("link", { name: "Open run" }).click();
  await expect(page.getByText("These are the entries that have begun")).toBeVisible();
  await expect(entry(page, "line")).toContainText("3 turns");
});

test("a workflow is found by its name, and its runs are filtered", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/runs`);
  await page.getByRole("heading", { level: 1, name: "Runs" }).waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Find or do" }).fill("refu");
  await page.getByRole("option", { name: /^Run Refund/ }).click();
  await expect(page).toHaveURL(/workflows\/refund\?tab=run/);
  await page.goto(`${server.url}/ui/runs/${runs.done}`);
  await details(page).getByRole("link", { name: "refund", exact: true }).click();
  await expect(page).toHaveURL(/workflows\/refund/);
});

test("agents and tools run workflows", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/agents/new`);
  await page.getByLabel("Display name").fill("Clerk");
  await page.getByLabel("Name", { exact: true }).fill("clerk");
  await page.getByLabel("Instructions").fill("You refund.");
  await page.getByRole("combobox", { name: "Workflows it may run" }).fill("refund");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Control+s");
  await expect(page).toHaveURL(`${server.url}/ui/agents/clerk`);
  expect(await server.admin("GET", "/agents/definitions/clerk")).toMatchObject({ workflows: ["refund"] });

  await page.goto(`${server.url}/ui/tools/new?kind=workflow`);
  await page.getByLabel("Name", { exact: true }).fill("try_it");
  await page.getByLabel("Description").fill("Tries what is broken.");
  await page.getByRole("combobox", { name: "Workflow" }).fill("broken");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Control+s");
  await expect(page).toHaveURL(`${server.url}/ui/tools/try_it`);
  expect(await server.admin("GET", "/tools/definitions/try_it")).toMatchObject({
    kind: "workflow",
    config: { workflow: "broken" },
  });
});
