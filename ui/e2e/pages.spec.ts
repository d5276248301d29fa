import { mkdirSync } from "node:fs";
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, expectNothingMoved, signIn, test } from "./server";
import { fill, tracker } from "./shop";
import { begin, once, runWorkflows } from "./workflows";

test.use({ of: "pages" });
// They only look at what is there: each worker has a server of its own.
test.describe.configure({ mode: "parallel" });

const PICTURES = process.env.PICTURES;
const WIDTHS = { wide: { width: 1280, height: 860 }, narrow: { width: 375, height: 780 } };

let runs: Awaited<ReturnType<typeof fill>>;
let flows: Awaited<ReturnType<typeof runWorkflows>>;

interface Shown {
  name: string;
  path: () => string;
  /** What has to be there before the page is looked at. */
  ready: (page: Page) => Promise<unknown>;
}

const heading = (name: string | RegExp) => (page: Page) =>
  page.getByRole("heading", { level: 1, name }).waitFor();

const PAGES: Shown[] = [
  {
    name: "overview",
    path: () => "/ui/",
    ready: (page) => page.getByRole("img", { name: /^Runs per minute/ }).waitFor(),
  },
  {
    name: "overview-clients",
    path: () => "/ui/?span=24h&by=clients",
    ready: (page) => page.getByRole("table", { name: "By client" }).waitFor(),
  },
  {
    name: "overview-numbers",
    path: () => "/ui/?span=24h",
    ready: (page) => page.getByRole("button", { name: "Show numbers" }).click(),
  },
  {
    name: "agents",
    path: () => "/ui/agents",
    ready: (page) => page.getByRole("link", { name: "Careful" }).waitFor(),
  },
  {
    name: "agent-new",
    path: () => "/ui/agents/new",
    ready: (page) => page.getByLabel("Instructions").waitFor(),
  },
  {
    name: "agent-definition",
    path: () => "/ui/agents/support?tab=definition",
    ready: (page) => page.getByLabel("Instructions").waitFor(),
  },
  {
    name: "agent-versions",
    path: () => "/ui/agents/support?tab=versions&version=1",
    ready: (page) => page.getByText("From version 1 to 2").waitFor(),
  },
  {
    name: "playground-empty",
    path: () => "/ui/agents/support",
    ready: (page) => page.getByText("Talk to support").waitFor(),
  },
  { name: "playground", path: () => "/ui/agents/support", ready: talk },
  { name: "playground-compare", path: () => "/ui/agents/support?beside=support%401", ready: compare },
  { name: "playground-approval", path: () => "/ui/agents/careful", ready: askForConsent },
  {
    name: "workflows",
    path: () => "/ui/workflows",
    ready: (page) => page.getByRole("link", { name: "Refund" }).waitFor(),
  },
  {
    name: "workflow-new",
    path: () => "/ui/workflows/new",
    ready: (page) => page.getByLabel("Input schema").waitFor(),
  },
  {
    name: "workflow",
    path: () => "/ui/workflows/refund",
    ready: (page) => page.getByLabel("Input schema").waitFor(),
  },
  {
    name: "workflow-conditional",
    path: () => "/ui/workflows/refund?entry=1",
    ready: (page) => page.getByRole("group", { name: /^Case 1/ }).waitFor(),
  },
  {
    name: "workflow-approval",
    path: () => "/ui/workflows/refund?entry=1/cases/0/then/0",
    ready: (page) => page.getByLabel("Schema of the answer").waitFor(),
  },
  {
    name: "workflow-agent",
    path: () => "/ui/workflows/refund?entry=3",
    ready: (page) => page.getByRole("button", { name: "Remove demo" }).waitFor(),
  },
  {
    name: "workflow-graph",
    path: () => "/ui/workflows/graph?entry=3",
    ready: (page) => page.getByRole("button", { name: "as a graph", pressed: true }).waitFor(),
  },
  {
    name: "workflow-wrong",
    path: () => "/ui/workflows/refund?entry=3",
    ready: async (page) => {
      await page.getByRole("button", { name: "Remove demo" }).click();
      await page.getByRole("combobox", { name: "Agent", exact: true }).fill("nobody");
      await page.keyboard.press("Enter");
      await page.getByText("One thing is wrong").waitFor();
      // Where no field is half below the bar with which it is saved.
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    },
  },
  {
    name: "workflow-json",
    path: () => "/ui/workflows/refund",
    ready: async (page) => {
      await page.getByRole("button", { name: "JSON", exact: true }).click();
      await page.getByLabel("Definition", { exact: true }).waitFor();
    },
  },
  {
    name: "workflow-versions",
    path: () => "/ui/workflows/graph?tab=versions&version=1",
    ready: (page) => page.getByText("From version 1 to 2").waitFor(),
  },
  {
    name: "workflow-triggers-edit",
    path: () => "/ui/workflows/graph?tab=triggers-edit",
    ready: (page) => page.getByRole("list", { name: "Next times" }).getByRole("listitem").nth(4).waitFor(),
  },
  {
    name: "tools",
    path: () => "/ui/tools",
    ready: (page) => page.getByRole("link", { name: "greet" }).waitFor(),
  },
  {
    name: "tool-new",
    path: () => "/ui/tools/new",
    ready: (page) => page.getByRole("link", { name: /javascript/ }).waitFor(),
  },
  {
    name: "tool-import",
    path: () => "/ui/tools/import",
    ready: (page) => page.getByLabel("Address of the document").waitFor(),
  },
  {
    name: "tool-test",
    path: () => `/ui/tools/greet?run=${runs.call}`,
    ready: (page) => page.getByRole("figure", { name: "Result" }).waitFor(),
  },
  {
    name: "tool-script",
    path: () => "/ui/tools/greet?tab=definition",
    ready: (page) => page.getByLabel("Source").waitFor(),
  },
  {
    name: "tool-http",
    path: () => "/ui/tools/order?tab=definition",
    ready: (page) => page.getByRole("button", { name: "Remove stripe_key" }).waitFor(),
  },
  {
    name: "tool-versions",
    path: () => "/ui/tools/greet?tab=versions&version=1",
    ready: (page) => page.getByText("From version 1 to 2").waitFor(),
  },
  {
    name: "runs",
    path: () => "/ui/runs",
    ready: (page) => page.getByRole("table").getByText("Suspended").first().waitFor(),
  },
  {
    name: "runs-none",
    path: () => "/ui/runs?definition=nothing-of-this-name",
    ready: (page) => page.getByText("No run matches").waitFor(),
  },
  {
    name: "run",
    path: () => `/ui/runs/${runs.told}`,
    ready: (page) => page.getByRole("row", { name: /search_handbook/ }).click(),
  },
  {
    name: "run-events",
    path: () => `/ui/runs/${runs.told}?tab=events`,
    ready: (page) => page.getByText("tool.started").first().click(),
  },
  {
    name: "run-io",
    path: () => `/ui/runs/${runs.told}?tab=io`,
    ready: (page) => page.getByRole("figure", { name: "Output" }).waitFor(),
  },
  {
    name: "run-failed",
    path: () => `/ui/runs/${runs.failed}`,
    ready: (page) => page.getByRole("alert").waitFor(),
  },
  {
    name: "run-waiting",
    path: () => `/ui/runs/${runs.waiting}`,
    ready: (page) => page.getByRole("button", { name: "Approve" }).waitFor(),
  },
  {
    name: "workflow-run",
    path: () => `/ui/runs/${flows.done}?entry=line&turn=each%5B1%5D`,
    ready: (page) => page.getByRole("figure", { name: "Output" }).waitFor(),
  },
  {
    name: "workflow-run-asks",
    path: () => `/ui/runs/${flows.asks}`,
    ready: (page) => page.getByLabel(/^Amount/).waitFor(),
  },
  {
    name: "workflow-run-below",
    path: () => `/ui/runs/${flows.below}`,
    ready: (page) => page.getByLabel(/^Amount/).waitFor(),
  },
  {
    name: "workflow-run-waits",
    path: () => `/ui/runs/${flows.waits}?entry=nap`,
    ready: (page) => page.getByText(/^It wakes at/).waitFor(),
  },
  {
    name: "workflow-fork",
    path: () => `/ui/runs/${flows.fails}`,
    ready: async (page) => {
      await page.getByRole("button", { name: "Fork…" }).click();
      await page.getByRole("combobox", { name: "Something else for" }).fill("first");
      await page.keyboard.press("Enter");
      await page.getByLabel("Output of first").waitFor();
    },
  },
  {
    name: "workflow-triggers",
    path: () => "/ui/workflows/graph?tab=triggers",
    ready: (page) => page.getByText("It has not begun a run yet.").waitFor(),
  },
  {
    name: "workflow-form",
    path: () => `/ui/workflows/refund?tab=run&run=${flows.done}`,
    ready: (page) => page.getByRole("figure", { name: "Result" }).waitFor(),
  },
  {
    name: "approvals",
    path: () => "/ui/approvals",
    ready: (page) =>
      page
        .getByRole("button", { name: /Approve/ })
        .first()
        .waitFor(),
  },
  {
    name: "approvals-none",
    path: () => "/ui/approvals?tab=expired",
    ready: (page) => page.getByText("None was expired").waitFor(),
  },
  {
    name: "rag",
    path: () => "/ui/rag",
    ready: (page) => page.getByRole("link", { name: "Handbook" }).waitFor(),
  },
  {
    name: "rag-documents",
    path: () => "/ui/rag/handbook",
    ready: (page) => page.getByRole("link", { name: "leave.md" }).waitFor(),
  },
  {
    name: "rag-document",
    path: () => `/ui/rag/handbook/${runs.document}?chunk=0`,
    ready: (page) => page.getByRole("heading", { name: "Passage 1" }).waitFor(),
  },
  {
    name: "rag-search",
    path: () => "/ui/rag/handbook?tab=search&q=parental+leave&beside=keyword",
    ready: (page) => page.locator("mark").first().waitFor(),
  },
  {
    name: "rag-settings",
    path: () => "/ui/rag/handbook?tab=settings",
    ready: (page) => page.getByLabel("Embedding model").waitFor(),
  },
  {
    name: "mcp-connect",
    path: () => "/ui/mcp",
    ready: (page) => page.getByText("claude mcp add").waitFor(),
  },
  {
    name: "mcp-offers",
    path: () => "/ui/mcp?tab=offers",
    ready: (page) => page.getByRole("link", { name: "ask_support" }).waitFor(),
  },
  {
    name: "mcp-upstreams",
    path: () => "/ui/mcp?tab=upstreams",
    ready: (page) => page.getByRole("link", { name: "Tracker" }).waitFor(),
  },
  {
    name: "upstream",
    path: () => "/ui/mcp/upstreams/tracker",
    ready: (page) => page.getByText("+ Send what you find").waitFor(),
  },
  {
    name: "upstream-definition",
    path: () => "/ui/mcp/upstreams/tracker?tab=definition",
    ready: (page) => page.getByLabel("URL").waitFor(),
  },
  {
    name: "upstream-new",
    path: () => "/ui/mcp/upstreams/new",
    ready: (page) => page.getByLabel("URL").waitFor(),
  },
  {
    name: "mcp-try",
    path: () => `/ui/mcp?tab=try&name=greet&run=${runs.call}`,
    ready: (page) => page.getByRole("figure", { name: "Result" }).waitFor(),
  },
  {
    name: "mcp-consents",
    path: () => "/ui/mcp?tab=consents",
    ready: (page) => page.getByText("You have agreed to nothing").waitFor(),
  },
  {
    name: "api",
    path: () => "/ui/api",
    ready: (page) => page.getByRole("table", { name: "Calls" }).getByRole("link").first().waitFor(),
  },
  {
    name: "api-call",
    path: () => "/ui/api?op=execute_agent",
    ready: async (page) => {
      await page.getByLabel(/^id\b/).fill("demo");
      await page
        .getByLabel(/^input\b/)
        .first()
        .waitFor();
    },
  },
  {
    name: "clients",
    path: () => "/ui/clients",
    ready: (page) => page.getByRole("link", { name: "Shop" }).waitFor(),
  },
  {
    name: "client",
    path: () => `/ui/clients/${runs.client}`,
    ready: (page) => page.getByRole("heading", { name: "API keys" }).waitFor(),
  },
  {
    name: "secrets",
    path: () => "/ui/secrets",
    ready: (page) => page.getByText("stripe_key").first().waitFor(),
  },
  { name: "users", path: () => "/ui/users", ready: (page) => page.getByText("maria").first().waitFor() },
  {
    name: "sessions",
    path: () => "/ui/users?tab=sessions",
    ready: (page) => page.getByRole("button", { name: "End session" }).first().waitFor(),
  },
  {
    name: "client-simulator",
    path: () => `/ui/clients/try?client=${runs.client}&call=execute&agent=support`,
    ready: async (page) => {
      await page.getByLabel("Client secret").fill(runs.secret);
      await page.getByRole("button", { name: "Call as this client" }).click();
      await page.getByText("Allowed", { exact: true }).waitFor();
    },
  },
  {
    name: "client-simulator-denied",
    path: () => `/ui/clients/try?client=${runs.client}&call=runs&way=token`,
    ready: async (page) => {
      await page.getByLabel("Token or API key").fill("agk_nobody");
      await page.getByRole("button", { name: "Call as this client" }).click();
      await page.getByText("Not known", { exact: true }).waitFor();
    },
  },
  {
    name: "keys",
    path: () => "/ui/keys",
    ready: (page) => page.getByRole("table", { name: "Signing keys" }).waitFor(),
  },
  {
    name: "settings",
    path: () => "/ui/settings",
    ready: (page) => page.getByRole("table", { name: "Providers" }).waitFor(),
  },
  {
    name: "settings-try",
    path: () => "/ui/settings",
    ready: async (page) => {
      await page.getByRole("button", { name: "Try demo…" }).click();
      await page.getByRole("button", { name: "Ask the model" }).click();
      await page.getByText(/^It answered in/).waitFor();
    },
  },
  {
    name: "audit",
    path: () => "/ui/audit",
    ready: (page) => page.getByText("Nothing was changed or removed").waitFor(),
  },
  { name: "more", path: () => "/ui/more", ready: heading("More") },
  { name: "not-found", path: () => "/ui/nowhere", ready: heading("No such page") },
  {
    name: "run-not-found",
    path: () => "/ui/runs/01900000-0000-7000-8000-000000000000",
    ready: (page) => page.getByRole("alert").waitFor(),
  },
  { name: "palette", path: () => "/ui/runs", ready: find },
  {
    name: "dialog",
    path: () => `/ui/runs/${runs.slow}`,
    ready: (page) => page.getByRole("button", { name: "Cancel run…" }).click(),
  },
];

async function talk(page: Page) {
  await page.getByLabel("Write to support").fill('use tool search_handbook with {"query": "parental leave"}');
  await page.keyboard.press("Enter");
  const call = page.getByText("search_handbook", { exact: true }).first();
  await call.waitFor();
  await page.getByLabel("Sources").last().waitFor();
  await call.click();
}

async function compare(page: Page) {
  await page.getByLabel("Write to both").fill("Is parental leave paid?");
  await page.keyboard.press("Enter");
  await page
    .getByText(/^You said/)
    .first()
    .waitFor();
  await page.getByText("Succeeded").nth(1).waitFor({ state: "attached" });
}

async function askForConsent(page: Page) {
  await page.getByLabel("Write to careful").fill("use tool current_time with {}");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: /Approve/ }).waitFor();
}

async function find(page: Page) {
  await heading("Runs")(page);
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Find or do" }).fill("sup");
  await page.getByRole("option", { name: /Support/ }).waitFor();
}

test.beforeAll(async ({ server }) => {
  runs = await fill(server.admin);
  flows = await runWorkflows(server.admin);
  await tracker(server);
});

for (const [width, viewport] of Object.entries(WIDTHS)) {
  test.describe(width, () => {
    test.use({ colorScheme: "light", viewport });

    for (const shown of PAGES) {
      test(`${shown.name} can be used by everybody`, async ({ known: page, server }) => {
        await page.goto(server.url + shown.path());
        await shown.ready(page);
        await expect(page.getByLabel("Loading")).toHaveCount(0);
        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        expect(overflow, "the page never scrolls sideways").toBeLessThanOrEqual(0);
        await expectNothingMoved(page);

        await picture(page, `${shown.name}-light-${width}`);
        expect(await violations(page)).toEqual([]);
        // The other theme has other colours, and nothing else.
        await page.emulateMedia({ colorScheme: "dark" });
        await picture(page, `${shown.name}-dark-${width}`);
        expect(await violations(page, "color-contrast")).toEqual([]);
      });
    }
  });
}

async function picture(page: Page, name: string) {
  if (!PICTURES) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: `${PICTURES}/${name}.png` });
}

/** What axe finds, by all of its rules or by one. */
async function violations(page: Page, rule?: string): Promise<string[]> {
  const axe = new AxeBuilder({ page });
  if (rule) axe.withRules(rule);
  else axe.withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]);
  const found = await axe.analyze();
  return found.violations.map(
    (it) => `${it.id}: ${it.nodes.map((node) => node.html.slice(0, 200)).join("\n")}`,
  );
}

test.describe("the narrowest", () => {
  test.use({ viewport: { width: 320, height: 640 } });

  test("long words, of any script, make no page wider", async ({ known: page, server }) => {
    const [long, arabic] = ["w".repeat(56), "انتظار_الدفع_".repeat(9)];
    await server.admin("POST", "/workflows/definitions", {
      name: long,
      display_name: arabic,
      steps: [
        { id: "e".repeat(56), type: "wait_for_event", event: `payment.${"x".repeat(90)}`, key: arabic },
        { id: "end", type: "fail", message: arabic },
      ],
      triggers: [{ id: "t".repeat(56), type: "event", name: `closed.${"y".repeat(90)}`, key: arabic }],
    });
    const { id } = await begin(server.admin, long, {});
    await once(server.admin, id, "waiting");
    const region = (name: string) => page.getByRole("region", { name }).waitFor();
    for (const [path, ready] of [
      [`/ui/runs/${id}`, () => region("Waits for")],
      [`/ui/runs/${id}?entry=${"e".repeat(56)}`, () => page.getByText("Its events").waitFor()],
      [`/ui/runs/${id}?tab=events`, () => region("Events")],
      [`/ui/workflows/${long}?tab=triggers`, () => region("History")],
      [`/ui/workflows/${long}`, () => page.getByLabel("Input schema").waitFor()],
    ] as const) {
      await page.goto(server.url + path);
      await ready();
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(overflow, path).toBeLessThanOrEqual(0);
      await picture(page, `narrowest-${path.replace(/\W+/g, "-").slice(-40)}`);
    }
  });
});

test("the door can be used by everybody", async ({ page, server }) => {
  await page.goto(`${server.url}/sign-in`);
  const found = await new AxeBuilder({ page }).analyze();
  expect(found.violations).toEqual([]);
  await signIn(page, server, server.management);
});
