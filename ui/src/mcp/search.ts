import { oneOf, type Raw, textIn } from "../kit/search";

export const MCP_TABS = ["connect", "offers", "upstreams", "try", "consents"] as const;

export interface McpSearch {
  tab?: (typeof MCP_TABS)[number] | undefined;
  /** What is tried, by its name on the wire. */
  name?: string | undefined;
  /** The call that is shown. */
  run?: string | undefined;
}

export const UPSTREAM_TABS = ["tools", "definition", "versions"] as const;

export interface UpstreamSearch {
  tab?: (typeof UPSTREAM_TABS)[number] | undefined;
  /** The version that is compared with the current one. */
  version?: string | undefined;
}

export const upstreamSearch = (raw: Raw): UpstreamSearch => ({
  tab: oneOf(raw, "tab", UPSTREAM_TABS),
  version: textIn(raw, "version"),
});

export const mcpSearch = (raw: Raw): McpSearch => ({
  tab: oneOf(raw, "tab", MCP_TABS),
  name: textIn(raw, "name"),
  run: textIn(raw, "run"),
});
