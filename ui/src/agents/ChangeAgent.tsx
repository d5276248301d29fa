import type { Agent } from "../api/types";
import { ChangeDefinition } from "../parts/Definition";
import { AGENT } from "./AgentForm";
import { changeAgent, definitionQuery } from "./queries";

/** The editor of an agent, of a chunk that is loaded by who changes one: most only talk. */
export default function ChangeAgent({ agent, mayChange }: { agent: Agent; mayChange: boolean }) {
  return (
    <ChangeDefinition
      kind={AGENT}
      current={agent}
      mayChange={mayChange}
      change={changeAgent}
      queryKey={definitionQuery(agent.name).queryKey}
    />
  );
}
