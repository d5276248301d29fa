import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test as base, type Cookie, expect, type Page } from "@playwright/test";
import { type Upstream, upstream } from "./upstream";

/** The real binary on a database of its own, with the pages that were built. */
export interface Server {
  url: string;
  /** Where it keeps its data. */
  folder: string;
  admin: Api;
  /** An MCP server of others that it may ask. */
  upstream: Upstream;
  management: { username: string; password: string };
}

/** Calls the API as a program does: to prepare what a test looks at. */
export type Api = <T = Record<string, unknown>>(method: string, path: string, body?: unknown) => Promise<T>;

const BINARY = process.env.SERVER ?? resolve("../target/debug/agent-server");

interface Pages {
  signedIn: Page;
  /** The same, by a session that the tests of a worker share, and with nothing shown yet: to look at many pages. */
  known: Page;
}

export const test = base.extend<Pages, { server: Server; of: string; cookies: Cookie[] }>({
  /** Whose server it is: a file that says its name has one of its own. */
  of: ["", { scope: "worker", option: true }],
  server: [
    async ({ of }, use) => {
      const folder = mkdtempSync(join(tmpdir(), `agent-server-ui-${of}-`));
      const port = await freePort();
      const url = `http://localhost:${port}`;
      const other = await upstream();
      const env = {
        PATH: process.env.PATH,
        PORT: String(port),
        // A program that has the pages in it is to show those.
        ...(process.env.EMBEDDED ? {} : { AGENT_SERVER_UI_DIR: resolve("dist") }),
        LOG_LEVEL: "warn",
        AGENT_SERVER_EGRESS_ALLOW: other.origin,
      };
      const server = spawn(BINARY, ["dev"], { cwd: folder, env, stdio: ["ignore", "ignore", "inherit"] });
      try {
        await ready(url, server);
        const settings = readFileSync(join(folder, "data/dev.env"), "utf8");
        const setting = (name: string) =>
          new RegExp(`^(?:export )?${name}=['"]?([^'"\\n]*)`, "m").exec(settings)?.[1] ?? "";
        const management = {
          username: setting("MANAGEMENT_CLIENT_ID") || "admin",
          password: setting("MANAGEMENT_CLIENT_SECRET"),
        };
        await use({ url, folder, management, admin: await apiOf(url, management), upstream: other });
      } finally {
        server.kill("SIGTERM");
        await new Promise((ended) => (server.exitCode === null ? server.once("exit", ended) : ended(null)));
        other.end();
        rmSync(folder, { recursive: true, force: true });
      }
    },
    { scope: "worker" },
  ],
  /** A page in which the management client is signed in; what goes wrong in it fails the test. */
  signedIn: async ({ page, server }, use) => {
    const faults = await watched(page);
    await signIn(page, server, server.management, "/ui/agents");
    await page.locator("main h1").waitFor();
    await use(page);
    expect(faults).toEqual([]);
  },
  cookies: [
    async ({ browser, server }, use) => {
      const page = await browser.newPage();
      await signIn(page, server, server.management);
      const cookies = await page.context().cookies();
      await page.close();
      await use(cookies);
    },
    { scope: "worker" },
  ],
  known: async ({ page, cookies }, use) => {
    const faults = await watched(page);
    await page.context().addCookies(cookies);
    await use(page);
    expect(faults).toEqual([]);
  },
});

/** What goes wrong in a page, as it does. */
async function watched(page: Page): Promise<string[]> {
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !/status of 4\d\d/.test(message.text())) faults.push(message.text());
  });
  await page.addInitScript(countShifts);
  return faults;
}

export { expect };

/** What moved in a page that nobody had moved, and how much of it (CLS). */
interface Shift {
  value: number;
  what: string[];
}

function countShifts() {
  const shifts: Shift[] = [];
  Object.assign(globalThis, { shifts });
  type Entry = PerformanceEntry & {
    value: number;
    hadRecentInput: boolean;
    sources: { node?: Node; previousRect: DOMRect; currentRect: DOMRect }[];
  };
  new PerformanceObserver((list) => {
    for (const it of list.getEntries() as Entry[]) {
      const what = it.sources.map(({ node, previousRect: from, currentRect: to }) => {
        const element = node instanceof Element ? node : node?.parentElement;
        const text = node?.textContent?.trim().slice(0, 40);
        const size = (rect: DOMRect) => [rect.x, rect.y, rect.width, rect.height].map(Math.round).join(" ");
        return `<${element?.tagName.toLowerCase()} class="${element?.getAttribute("class")}"> ${text}: ${size(from)} → ${size(to)}`;
      });
      if (!it.hadRecentInput) shifts.push({ value: it.value, what });
    }
  }).observe({ type: "layout-shift", buffered: true });
}

/** Fails if more of a page moved by itself than anybody would notice. */
export async function expectNothingMoved(page: Page) {
  const shifts = await page.evaluate(() => (globalThis as unknown as { shifts: Shift[] }).shifts);
  const sum = shifts.reduce((all, it) => all + it.value, 0);
  const words = shifts.map((it) => [it.value.toFixed(3), ...it.what].join("\n  "));
  expect(sum, `what is there already does not move:\n${words.join("\n")}`).toBeLessThan(0.05);
}

export async function signIn(
  page: Page,
  server: Server,
  who: { username: string; password: string },
  to = "/ui/",
) {
  await page.goto(`${server.url}/sign-in?then=${encodeURIComponent(to)}`);
  await page.getByLabel("Name").fill(who.username);
  await page.getByLabel("Password").fill(who.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL((url) => url.pathname.startsWith("/ui/"));
}

/** A user with a role, and with scopes beyond it, and his password. */
export async function user(server: Server, username: string, role: string, scope = "") {
  const password = "correct horse battery staple";
  await server.admin("POST", "/users", { username, role, password, scope, display_name: username });
  return { username, password };
}

async function apiOf(url: string, { username, password }: Server["management"]): Promise<Api> {
  const body = JSON.stringify({
    grant_type: "client_credentials",
    client_id: username,
    client_secret: password,
  });
  const headers = { "content-type": "application/json" };
  const token = await fetch(`${url}/oauth/token`, { method: "POST", headers, body }).then((it) => it.json());
  return async (method, path, body) => {
    const response = await fetch(url + path, {
      method,
      headers: { ...headers, authorization: `Bearer ${token.access_token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : {};
  };
}

async function ready(url: string, server: ChildProcess) {
  for (let tries = 0; tries < 300; tries++) {
    if (server.exitCode !== null) throw new Error(`the server ended with ${server.exitCode}`);
    const response = await fetch(`${url}/ready`).catch(() => null);
    if (response?.ok) return;
    await new Promise((again) => setTimeout(again, 100));
  }
  throw new Error("the server is not ready");
}

/** A port that nobody listens on. */
export const freePort = () =>
  new Promise<number>((found) => {
    const door = createServer();
    door.listen(0, "127.0.0.1", () => {
      const address = door.address();
      door.close(() => found(typeof address === "object" && address ? address.port : 0));
    });
  });
