import type { Workflow } from "../api/types";
import { MakeDefinition } from "../parts/Definition";
import { contentOf, draftOf, NEW_DRAFT } from "./draft";
import { createWorkflow } from "./queries";
import { WORKFLOW } from "./WorkflowForm";

interface Props {
  /** The one that it begins as a copy of. What begins runs of that one is not copied: a path is of one workflow. */
  original: Workflow | null;
  open: (made: Workflow) => Promise<void>;
}

/** The editor of a workflow that is to be, of a chunk of its own. */
export default function MakeWorkflow({ original, open }: Props) {
  const initial = original
    ? { ...draftOf(contentOf(original)), name: "", display_name: "", rest: {} }
    : NEW_DRAFT;
  return (
    <MakeDefinition
      kind={WORKFLOW}
      initial={initial}
      create={createWorkflow}
      said={(it) => `${it.display_name} is there, and can be run`}
      open={open}
    />
  );
}
