import { oneOf, type Raw, textIn } from "../kit/search";

export const MCP_TABS = ["connect", "offers", "try"] as const;

export interface McpSearch {
  tab?: (typeof MCP_TABS)[number] | undefined;
  /** What is tried, by its name on the wire. */
  name?: string | undefined;
  /** The call that is shown. */
  run?: string | undefined;
}

export const mcpSearch = (raw: Raw): McpSearch => ({
  tab: oneOf(raw, "tab", MCP_TABS),
  name: textIn(raw, "name"),
  run: textIn(raw, "run"),
});
