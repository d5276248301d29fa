import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { ICONS } from "./src/kit/icons.ts";

/** Where the server shows the UI; it puts its own path before it (`crates/server/src/ui.rs`). */
const PLACE = "/ui/";
const SERVER = process.env.AGENT_SERVER_URL ?? "http://localhost:3000";

export default defineConfig({
  base: PLACE,
  cacheDir: "../target/ui/vite",
  plugins: [react(), icons(), fonts(), budget(), compressed()],
  build: { target: "es2023", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  experimental: {
    // Scripts find each other beside themselves, so that only the page knows where the server is.
    renderBuiltUrl: (file, { hostType }) => (hostType === "html" ? PLACE + file : { relative: true }),
  },
  server: { proxy: { "^/(?!ui/)": { target: SERVER } }, fs: { allow: [".."] } },
  test: { include: ["src/**/*.test.ts"] },
});

/** Puts the icons that are used into the page, as one sprite (Lucide, ISC; parts of it Feather, MIT). */
function icons(): Plugin {
  const folder = join(import.meta.dirname, "node_modules/lucide-static/icons");
  const symbols = ICONS.map((name) => {
    const svg = readFileSync(join(folder, `${name}.svg`), "utf8");
    const drawing = svg.replace(/^[\s\S]*?<svg[^>]*>/, "").replace(/<\/svg>\s*$/, "");
    return `<symbol id="i-${name}" viewBox="0 0 24 24">${drawing.replace(/\s*\n\s*/g, "")}</symbol>`;
  });
  const sprite = `<svg hidden aria-hidden="true">${symbols.join("")}</svg>`;
  return { name: "icons", transformIndexHtml: (html) => html.replace("<!-- icons -->", sprite) };
}

/** Has the fonts read with the scripts, and not when something is drawn: lines that wrap otherwise would move the rest. */
function fonts(): Plugin {
  return {
    name: "fonts",
    apply: "build",
    transformIndexHtml: (_, { bundle = {} }) =>
      Object.keys(bundle)
        .filter((name) => name.endsWith(".woff2"))
        .map((name) => ({
          tag: "link",
          attrs: { rel: "preload", as: "font", type: "font/woff2", crossorigin: "", href: PLACE + name },
          injectTo: "head-prepend",
        })),
  };
}

/** What a page may have of script when it is the first one that is opened, in bytes as gzip makes them. */
const BUDGET = 150_000;

/** Fails the build if a page has more: the entry and what it needs, with the page and what that needs. */
function budget(): Plugin {
  return {
    name: "budget",
    apply: "build",
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((it) => it.type === "chunk");
      const sizes = new Map(chunks.map((it) => [it.fileName, gzipSync(it.code, { level: 9 }).length]));
      const needed = (name: string, all = new Set<string>()): Set<string> => {
        if (!all.has(name) && sizes.has(name)) {
          all.add(name);
          for (const it of chunks.find((it) => it.fileName === name)?.imports ?? []) needed(it, all);
        }
        return all;
      };
      const entry = chunks.filter((it) => it.isEntry).map((it) => it.fileName);
      const pages = chunks.filter((it) => /Page\.tsx$/.test(it.facadeModuleId ?? ""));
      const weights = pages.map((page) => {
        const all = new Set([...entry, page.fileName].flatMap((it) => [...needed(it)]));
        return { name: page.name, bytes: [...all].reduce((sum, it) => sum + (sizes.get(it) ?? 0), 0) };
      });
      const [heaviest, ...others] = weights.sort((a, b) => b.bytes - a.bytes);
      if (!heaviest) this.error("no page was found that could be weighed");
      const words = [heaviest, ...others.slice(0, 4)].map((it) => `${it.name} ${it.bytes}`);
      this.info(`the heaviest pages, in bytes of script: ${words.join(", ")}`);
      if (heaviest.bytes > BUDGET) this.error(`${heaviest.name} has ${heaviest.bytes} bytes of script`);
    },
  };
}

/** Writes the compressed forms of each file beside it: the server compresses nothing itself. */
function compressed(): Plugin {
  const dist = join(import.meta.dirname, "dist");
  return {
    name: "compressed",
    apply: "build",
    closeBundle() {
      for (const name of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
        if (!/\.(js|css|html|svg|txt)$/.test(name)) continue;
        const file = join(dist, name);
        const bytes = readFileSync(file);
        const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
        writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params: quality }));
        writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
      }
    },
  };
}
