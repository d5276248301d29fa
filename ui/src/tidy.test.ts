import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

// How the UI is laid out (STYLE, rule 14), as tests.

const SOURCE = new URL(".", import.meta.url);
const FILES = readdirSync(SOURCE, { recursive: true, encoding: "utf8" })
  .map((it) => it.replaceAll("\\", "/"))
  .filter((it) => /\.tsx?$/.test(it) && !it.endsWith("schema.d.ts"));
const textOf = (file: string) => readFileSync(new URL(file, SOURCE), "utf8");
/** Folders that are no feature; `shell` and the files at the top know all features. */
const SHARED = ["api", "kit", "parts", "graph", "styles"];
const folderOf = (file: string) => (file.includes("/") ? (file.split("/")[0] ?? "") : "");

test("no two files differ by the case of their letters only", () => {
  const stems = FILES.map((it) => it.replace(/(\.test)?\.tsx?$/, "$1"));
  const seen = new Map<string, string>();
  const same = stems.filter((it) => {
    const before = seen.get(it.toLowerCase());
    seen.set(it.toLowerCase(), it);
    return before !== undefined && before !== it;
  });
  expect(same).toEqual([]);
});

test("a feature knows no other, and what is shared knows none", () => {
  const wrong = FILES.flatMap((file) => {
    const own = folderOf(file);
    if (own === "" || own === "shell") return [];
    const used = [...textOf(file).matchAll(/from "\.\.\/([a-z]+)\//g)].map((it) => it[1] ?? "");
    const allowed = {
      api: ["api"],
      kit: ["api", "kit"],
      parts: ["api", "kit", "parts"],
      graph: ["api", "kit", "parts", "graph"],
    }[own] ?? [own, ...SHARED];
    return used.filter((it) => !allowed.includes(it)).map((it) => `${file} uses ${it}`);
  });
  expect(wrong).toEqual([]);
});

test("only api and queries talk to the server", () => {
  const wrong = FILES.filter(
    (it) => folderOf(it) !== "api" && !it.endsWith("queries.ts") && /\bapi\.[A-Z]+\(/.test(textOf(it)),
  );
  expect(wrong).toEqual([]);
});

test("a file has at most 250 lines without its tests", () => {
  const long = FILES.filter((it) => !it.includes(".test.")).flatMap((file) => {
    const lines = textOf(file).split("\n").length - 1;
    return lines > 250 ? [`${file}: ${lines}`] : [];
  });
  expect(long).toEqual([]);
});
