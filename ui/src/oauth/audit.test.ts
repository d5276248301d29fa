import { expect, test } from "vitest";
import { byDay, changesOf, type Entry } from "./audit";
import { words } from "./scopes";
import { auditSearch } from "./search";

const entry = (seq: number, at: string, more: Partial<Entry> = {}) =>
  ({ seq, at, action: "agent.update", before: null, after: null, ...more }) as Entry;

test("entries stand under their day", () => {
  const days = byDay([
    entry(3, "2026-11-25T10:00:00Z"),
    entry(2, "2026-11-25T09:00:00Z"),
    entry(1, "2026-11-23T10:00:00Z"),
  ]);
  expect(days.map(([, entries]) => entries.map((it) => it.seq))).toEqual([[3, 2], [1]]);
});

test("what differs is shown as it was and as it is", () => {
  const changes = changesOf(
    entry(1, "2026-11-25T10:00:00Z", { before: { a: 1 } as never, after: { a: 2, b: "x" } as never }),
  );
  expect(changes).toEqual([
    { name: "a", before: 1, after: 2 },
    { name: "b", before: undefined, after: "x" },
  ]);
  expect(changesOf(entry(1, "2026-11-25T10:00:00Z"))).toEqual([]);
});

test("scopes and filters are read as they are written", () => {
  expect(words(" agent.read  run.read ")).toEqual(["agent.read", "run.read"]);
  expect(auditSearch({ actor: "user:1", action: 3 })).toEqual({
    actor: "user:1",
    action: undefined,
    target: undefined,
  });
});
