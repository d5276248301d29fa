import { oneOf, type Raw, textIn } from "../kit/search";

export const WORKFLOW_TABS = ["editor", "run", "triggers", "triggers-edit", "versions"] as const;

export interface WorkflowSearch {
  tab?: (typeof WORKFLOW_TABS)[number] | undefined;
  /** The way to the entry that is open: `0/do/1`. */
  entry?: string | undefined;
  /** The version that is compared with the current one. */
  version?: string | undefined;
  /** The run that is shown where it is run. */
  run?: string | undefined;
  /** The trigger whose history is shown. */
  trigger?: string | undefined;
}

export const workflowSearch = (raw: Raw): WorkflowSearch => ({
  tab: oneOf(raw, "tab", WORKFLOW_TABS),
  entry: textIn(raw, "entry"),
  version: textIn(raw, "version"),
  run: textIn(raw, "run"),
  trigger: textIn(raw, "trigger"),
});

/** A new workflow may begin as a copy. */
export interface NewWorkflowSearch {
  from?: string | undefined;
  entry?: string | undefined;
}

export const newWorkflowSearch = (raw: Raw): NewWorkflowSearch => ({
  from: textIn(raw, "from"),
  entry: textIn(raw, "entry"),
});
