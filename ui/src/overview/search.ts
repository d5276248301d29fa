import { oneOf, type Raw } from "../kit/search";

/** The times that are looked at: how many minutes, in steps of how many. */
export const SPANS = {
  "1h": { minutes: 60, step: 1, words: "the last hour" },
  "24h": { minutes: 1_440, step: 15, words: "the last 24 hours" },
  "7d": { minutes: 10_080, step: 120, words: "the last 7 days" },
  "30d": { minutes: 43_200, step: 480, words: "the last 30 days" },
} as const;
export type SpanName = keyof typeof SPANS;
export const SPAN_NAMES = Object.keys(SPANS) as SpanName[];

export interface OverviewSearch {
  span?: SpanName | undefined;
  /** Who used what is shown of agents and tools, or of clients. */
  by?: "clients" | undefined;
}

export const overviewSearch = (raw: Raw): OverviewSearch => ({
  span: oneOf(raw, "span", SPAN_NAMES),
  by: oneOf(raw, "by", ["clients"]),
});
