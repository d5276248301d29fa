import { oneOf, type Raw, textIn } from "../kit/search";

export const AGENT_TABS = ["playground", "definition", "versions"] as const;

export interface AgentSearch {
  tab?: (typeof AGENT_TABS)[number] | undefined;
  /** The thread that the playground shows. */
  thread?: string | undefined;
  /** The version that is compared with the current one. */
  version?: string | undefined;
  /** Another agent, or `name@version`, that is told the same; and its thread. */
  beside?: string | undefined;
  beside_thread?: string | undefined;
}

export const agentSearch = (raw: Raw): AgentSearch => ({
  tab: oneOf(raw, "tab", AGENT_TABS),
  thread: textIn(raw, "thread"),
  version: textIn(raw, "version"),
  beside: textIn(raw, "beside"),
  beside_thread: textIn(raw, "beside_thread"),
});

/** A new agent may begin as a copy. */
export interface NewAgentSearch {
  from?: string | undefined;
}

export const newAgentSearch = (raw: Raw): NewAgentSearch => ({ from: textIn(raw, "from") });
