import { defineConfig } from "@playwright/test";

const isRoot = process.getuid?.() === 0;

export default defineConfig({
  testDir: "e2e",
  outputDir: "../target/ui/results",
  reporter: [["list"]],
  // The tests of a file share one server; files have one each.
  workers: 2,
  fullyParallel: false,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  use: {
    launchOptions: {
      executablePath: process.env.BROWSER ?? "/usr/bin/chromium",
      args: ["--disable-gpu", "--disable-background-networking", ...(isRoot ? ["--no-sandbox"] : [])],
    },
    trace: "retain-on-failure",
    contextOptions: { reducedMotion: "reduce" },
  },
});
