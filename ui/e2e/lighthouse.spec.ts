import { chromium } from "@playwright/test";
import { expect, freePort, signIn, test } from "./server";
import { fill, tracker } from "./shop";

test.use({ of: "lighthouse" });

/** As much of it as is used here; it is installed beside, since building the UI does not need it (`scripts/ui`). */
type Lighthouse = (
  url: string,
  flags: object,
) => Promise<{
  lhr: {
    categories: Record<string, { score: number | null; auditRefs: { id: string; weight: number }[] }>;
    audits: Record<string, { score: number | null; title: string }>;
  };
}>;

test("Lighthouse gives 95 at least for accessibility and best practice, on each kind of page", async ({
  server,
  launchOptions,
}) => {
  test.setTimeout(400_000);
  const from = process.env.LIGHTHOUSE;
  if (!from) throw new Error("LIGHTHOUSE says where Lighthouse is; scripts/ui test installs it");
  const { default: lighthouse } = (await import(from)) as { default: Lighthouse };
  const runs = await fill(server.admin);
  await tracker(server);
  const port = await freePort();
  const context = await chromium.launchPersistentContext("", {
    ...launchOptions,
    args: [...(launchOptions.args ?? []), `--remote-debugging-port=${port}`],
  });
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    await signIn(page, server, server.management, "/ui/agents");
    const low: string[] = [];
    for (const path of [
      "/ui/",
      "/ui/agents",
      "/ui/agents/support",
      "/ui/agents/support?tab=definition",
      "/ui/tools/greet",
      `/ui/runs/${runs.told}`,
      `/ui/rag/handbook/${runs.document}`,
      "/ui/mcp/upstreams/tracker",
      `/ui/clients/${runs.client}`,
      "/ui/api",
      "/ui/audit",
      "/ui/settings",
    ]) {
      const { lhr } = await lighthouse(server.url + path, {
        port,
        output: "json",
        logLevel: "silent",
        onlyCategories: ["accessibility", "best-practices"],
        formFactor: "desktop",
        screenEmulation: { disabled: true },
        throttlingMethod: "provided",
        disableStorageReset: true,
      });
      const scores = Object.entries(lhr.categories).map(([name, { score, auditRefs }]) => {
        const points = Math.round(100 * (score ?? 0));
        const lost = auditRefs
          .filter((it) => it.weight > 0 && (lhr.audits[it.id]?.score ?? 1) < 1)
          .map((it) => it.id);
        if (points < 95) low.push(`${path} ${name} ${points}: ${lost.join(", ")}`);
        return `${name} ${points}${lost.length > 0 ? ` (${lost.join(", ")})` : ""}`;
      });
      process.stdout.write(`    ${path}: ${scores.join(", ")}\n`);
    }
    expect(low).toEqual([]);
  } finally {
    await context.close();
  }
});
