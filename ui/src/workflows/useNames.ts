import { useQuery } from "@tanstack/react-query";
import { useMay } from "../api/me";
import { namesQuery } from "./queries";

/** What entries may call, by kind; of what one may not see there is nothing. */
export interface Names {
  agent: readonly string[];
  tool: readonly string[];
  workflow: readonly string[];
  step: readonly string[];
}

/** `null` as long as nobody has answered; then what is known, also if it cannot be read. */
export function useNames(): Names | null {
  const mayAgents = useMay("agent.read", "agent.execute");
  const mayTools = useMay("tool.read", "tool.execute");
  const maySteps = useMay("workflow.write", "admin.read");
  const { data, isFetched } = useQuery(namesQuery(mayAgents, mayTools, maySteps));
  return isFetched ? (data ?? { agent: [], tool: [], workflow: [], step: [] }) : null;
}
