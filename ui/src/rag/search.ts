import { oneOf, type Raw, textIn } from "../kit/search";

export const DATABASE_TABS = ["documents", "search", "settings"] as const;
export const MODES = ["hybrid", "vector", "keyword"] as const;
export const DOCUMENT_STATES = ["pending", "processing", "completed", "failed"] as const;

export type Mode = (typeof MODES)[number];

/** What is looked at in a database: its documents, or what a search finds. */
export interface DatabaseSearch {
  tab?: (typeof DATABASE_TABS)[number] | undefined;
  status?: (typeof DOCUMENT_STATES)[number] | undefined;
  filename?: string | undefined;
  q?: string | undefined;
  mode?: Mode | undefined;
  /** A second mode, to be compared with the first. */
  beside?: Mode | undefined;
  k?: string | undefined;
  filter?: string | undefined;
}

export const databaseSearch = (raw: Raw): DatabaseSearch => ({
  tab: oneOf(raw, "tab", DATABASE_TABS),
  status: oneOf(raw, "status", DOCUMENT_STATES),
  filename: textIn(raw, "filename"),
  q: textIn(raw, "q"),
  mode: oneOf(raw, "mode", MODES),
  beside: oneOf(raw, "beside", MODES),
  k: textIn(raw, "k"),
  filter: textIn(raw, "filter"),
});

export interface DocumentSearch {
  /** The index of the chosen passage. */
  chunk?: string | undefined;
}

export const documentSearch = (raw: Raw): DocumentSearch => ({ chunk: textIn(raw, "chunk") });
