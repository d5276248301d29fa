import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test as base, expect, type Page } from "@playwright/test";
import { type Upstream, upstream } from "./upstream";

/** The real binary on a database of its own, with the pages that were built. */
export interface Server {
  url: string;
  admin: Api;
  /** An MCP server of others that it may ask. */
  upstream: Upstream;
  management: { username: string; password: string };
}

/** Calls the API as a program does: to prepare what a test looks at. */
export type Api = <T = Record<string, unknown>>(method: string, path: string, body?: unknown) => Promise<T>;

const BINARY = process.env.SERVER ?? resolve("../target/debug/agent-server");

export const test = base.extend<{ signedIn: Page }, { server: Server; of: string }>({
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
        await use({ url, management, admin: await apiOf(url, management), upstream: other });
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
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" && !/status of 4\d\d/.test(message.text())) faults.push(message.text());
    });
    await page.addInitScript(countShifts);
    await signIn(page, server, server.management, "/ui/agents");
    await page.locator("main h1").waitFor();
    await use(page);
    expect(faults).toEqual([]);
  },
});

export { expect };

/** Adds up how much of a page moved that nobody had moved (CLS). */
function countShifts() {
  const all = globalThis as { shifts?: number };
  all.shifts = 0;
  new PerformanceObserver((list) => {
    for (const it of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[])
      if (!it.hadRecentInput) all.shifts = (all.shifts ?? 0) + it.value;
  }).observe({ type: "layout-shift", buffered: true });
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

/** A user with a role, and his password. */
export async function user(server: Server, username: string, role: string) {
  const password = "correct horse battery staple";
  await server.admin("POST", "/users", { username, role, password, display_name: username });
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
