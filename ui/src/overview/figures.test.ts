import { expect, test } from "vitest";
import { clientNames, definitionKind, health, kindWords, percent, share } from "./figures";

const counts = (succeeded: number, failed = 0, timed_out = 0) => ({ succeeded, failed, timed_out });

test("a share is of those that were to succeed", () => {
  expect(share(counts(0))).toBeNull();
  expect(share(counts(3, 1))).toBe(0.75);
});

test("all is only said of all", () => {
  expect(percent(1)).toBe("100 %");
  expect(percent(9_999 / 10_000)).toBe("99.9 %");
  expect(percent(0.5)).toBe("50 %");
});

test("how it goes is told by what succeeded", () => {
  expect([counts(0), counts(100), counts(95, 5), counts(1, 1)].map(health)).toEqual([
    "quiet",
    "well",
    "mostly",
    "badly",
  ]);
});

test("a kind that is not known keeps its name", () => {
  expect(kindWords("provider")).toMatch(/provider/);
  expect(kindWords("moon")).toBe("moon");
});

test("a client has its name, and one that nobody registered its id", () => {
  const nameOf = clientNames([
    { client_id: "c1", client_name: "Shop" },
    { client_id: "c2", client_name: "" },
  ]);
  expect(["c1", "c2", "gone", "agent-server-ui", ""].map((it) => nameOf(it).name)).toEqual([
    "Shop",
    "c2",
    "gone",
    "People in this Admin UI",
    "others",
  ]);
  expect(nameOf("gone").isListed).toBe(false);
});

test("what ran has a mark, also of kinds to come", () => {
  expect(["agent", "tool", "workflow", "moon"].map(definitionKind)).toEqual([
    "agent",
    "tool",
    "workflow",
    "agent",
  ]);
});
