import type { Workflow } from "../api/types";
import { ChangeDefinition } from "../parts/Definition";
import { changeWorkflow, workflowDefinitionQuery } from "./queries";
import { WORKFLOW } from "./WorkflowForm";

interface Props {
  workflow: Workflow;
  /** How the page calls it: its name, or its id. */
  called: string;
  mayChange: boolean;
}

/** The editor of a workflow, of a chunk that is loaded by who looks at how it is made. */
export default function ChangeWorkflow({ workflow, called, mayChange }: Props) {
  return (
    <ChangeDefinition
      kind={WORKFLOW}
      current={workflow}
      mayChange={mayChange}
      change={changeWorkflow}
      queryKey={workflowDefinitionQuery(called).queryKey}
    />
  );
}
