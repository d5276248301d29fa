import { expect, test } from "vitest";
import type { Chunk } from "./queries";
import { databaseSearch } from "./search";
import { isNewPlace, markedParts, partsOf } from "./text";
import { totalOf, type Upload, Uploads } from "./uploads";

const said = (text: string, spans: number[][]) =>
  markedParts(text, spans)
    .map((it) => (it.hit ? `[${it.text}]` : it.text))
    .join("");

test("what was found is marked by code points, in any order and overlapping", () => {
  expect(
    said("👋 parental leave 🏖", [
      [11, 16],
      [2, 10],
    ]),
  ).toBe("👋 [parental] [leave] 🏖");
  expect(
    said("abcdef", [
      [0, 3],
      [2, 4],
    ]),
  ).toBe("[abc][d]ef");
  expect(
    said("abc", [
      [2, 2],
      [9, 12],
    ]),
  ).toBe("abc");
});

const chunk = (more: Partial<Chunk>) =>
  ({
    id: "c",
    index: 0,
    text: "",
    start: 0,
    end: 0,
    page: null,
    heading_path: [],
    metadata: {},
    ...more,
  }) as Chunk;

test("what two passages share is told apart", () => {
  const first = chunk({ text: "ab👋c", start: 0, end: 4 });
  const second = chunk({ text: "👋cd", start: 2, end: 5 });
  expect(partsOf(second, first)).toEqual({ shared: "👋c", own: "d" });
  expect(partsOf(first, undefined)).toEqual({ shared: "", own: "ab👋c" });
  expect(partsOf(chunk({ text: "x", start: 9, end: 10 }), first)).toEqual({ shared: "", own: "x" });
});

test("a new page and a new heading are said", () => {
  const a = chunk({ page: 1, heading_path: ["A"] });
  expect([
    isNewPlace(a, undefined),
    isNewPlace(a, a),
    isNewPlace(chunk({ page: 2, heading_path: ["A"] }), a),
    isNewPlace(chunk({ page: 1, heading_path: ["A", "B"] }), a),
  ]).toEqual([true, false, true, true]);
});

test("files are sent a few at once, and one that fails keeps no other back", async () => {
  let [open, most] = [0, 0];
  const states: string[] = [];
  let all: readonly Upload[] = [];
  const ended = new Promise<void>((done) => {
    const uploads = new Uploads(
      async (file, onProgress) => {
        most = Math.max(most, ++open);
        onProgress(1);
        await Promise.resolve();
        open--;
        if (file.name === "2") throw new Error("too large");
        return { isKnown: file.name === "3" };
      },
      (now) => {
        all = now;
        states.push(now.map((it) => it.state).join());
        if (now.length === 6 && totalOf(now).over === 6) done();
      },
    );
    uploads.add(["0", "1", "2", "3", "4", "5"].map((name) => new File(["ab"], name)));
  });
  await ended;
  expect(all.map((it) => it.state)).toEqual(["done", "done", "failed", "known", "done", "done"]);
  expect(most).toBe(3);
  expect(all[2]?.error).toBe("too large");
  expect(totalOf(all)).toEqual({ files: 6, over: 6, failed: 1, sent: 12, bytes: 12 });
});

test("a link says what is searched", () => {
  expect(databaseSearch({ tab: "search", q: "leave", mode: "vector", beside: "x" })).toMatchObject({
    tab: "search",
    q: "leave",
    mode: "vector",
    beside: undefined,
  });
});
