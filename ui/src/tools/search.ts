import { oneOf, type Raw, textIn } from "../kit/search";

export const TOOL_TABS = ["test", "definition", "versions"] as const;

export interface ToolSearch {
  tab?: (typeof TOOL_TABS)[number] | undefined;
  /** The call that the test bench shows. */
  run?: string | undefined;
  /** The version that is compared with the current one. */
  version?: string | undefined;
}

export const toolSearch = (raw: Raw): ToolSearch => ({
  tab: oneOf(raw, "tab", TOOL_TABS),
  run: textIn(raw, "run"),
  version: textIn(raw, "version"),
});

/** Kinds that are made here; the others come with the program or from other servers. */
export const KINDS = ["http", "javascript", "static", "template", "agent", "workflow", "rag"] as const;
export type MadeKind = (typeof KINDS)[number];

/** A new tool may begin as a copy, or as one of a kind. */
export interface NewToolSearch {
  from?: string | undefined;
  kind?: MadeKind | undefined;
}

export const newToolSearch = (raw: Raw): NewToolSearch => ({
  from: textIn(raw, "from"),
  kind: oneOf(raw, "kind", KINDS),
});
