import type { RunSummary, Status } from "../api/types";
import { STATUSES } from "../kit/Marks";
import { oneOf, type Raw, textIn } from "../kit/search";

export const SINCE = [
  ["1h", "last hour"],
  ["24h", "last 24 h"],
  ["7d", "last 7 days"],
] as const;
export type Since = (typeof SINCE)[number][0];

export const RUN_KINDS = ["agent", "workflow", "tool"] as const;

/** What the list of runs is narrowed to. */
export interface RunsSearch {
  status?: Status | undefined;
  kind?: RunSummary["kind"] | undefined;
  definition?: string | undefined;
  user?: string | undefined;
  thread?: string | undefined;
  /** Words in what was asked, answered or went wrong. */
  text?: string | undefined;
  since?: Since | undefined;
}

export const runsSearch = (raw: Raw): RunsSearch => ({
  status: oneOf(raw, "status", STATUSES),
  kind: oneOf(raw, "kind", RUN_KINDS),
  definition: textIn(raw, "definition"),
  user: textIn(raw, "user"),
  thread: textIn(raw, "thread"),
  text: textIn(raw, "text"),
  since: oneOf(
    raw,
    "since",
    SINCE.map(([key]) => key),
  ),
});

const HOURS: Record<Since, number> = { "1h": 1, "24h": 24, "7d": 168 };

/** The time from which on, to the minute: so that the question stays the same while somebody looks. */
export function createdAfter(since: Since | undefined, now: Date): string | undefined {
  if (!since) return undefined;
  const minute = Math.floor(now.getTime() / 60_000) * 60_000;
  return new Date(minute - HOURS[since] * 3_600_000).toISOString();
}

export const RUN_TABS = ["graph", "waterfall", "events", "io"] as const;

export interface RunSearch {
  tab?: (typeof RUN_TABS)[number] | undefined;
  span?: string | undefined;
  /** An entry of a workflow, and which of its turns. */
  entry?: string | undefined;
  turn?: string | undefined;
}

export const runSearch = (raw: Raw): RunSearch => ({
  tab: oneOf(raw, "tab", RUN_TABS),
  span: textIn(raw, "span"),
  entry: textIn(raw, "entry"),
  turn: textIn(raw, "turn"),
});
