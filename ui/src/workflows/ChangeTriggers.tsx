import { useMemo } from "react";
import type { Workflow } from "../api/types";
import { ExactFaults, Fields, useMayChange } from "../kit/Field";
import { Menu } from "../kit/Menu";
import { Note } from "../kit/Messages";
import { ChangeDefinition, type Kind } from "../parts/Definition";
import type { FormProps } from "../parts/Editor";
import { contentOf } from "./draft";
import { changeWorkflow, checkWorkflow, workflowDefinitionQuery } from "./queries";
import { TriggerForm } from "./TriggerForm";
import {
  asType,
  newTrigger,
  type TriggersBody,
  type TriggersDraft,
  type TriggerType,
  triggersBody,
  triggersDraft,
  triggersOf,
} from "./triggerDraft";
import s from "./Workflows.module.css";

const TYPES = [
  ["api", "a call with a token"],
  ["webhook", "a webhook, signed"],
  ["cron", "a schedule"],
  ["event", "an event"],
] as const;

function TriggersForm({ draft, setDraft }: FormProps<TriggersDraft>) {
  const mayChange = useMayChange();
  const { triggers } = draft;
  const put = (next: TriggersDraft["triggers"]) => setDraft({ triggers: next });
  return (
    <Fields className={s.triggers}>
      <ExactFaults pointer="/triggers" />
      {triggers.length === 0 && (
        <Note title="Nothing begins it by itself">
          It is run by who calls <code>/workflows/{"{name}"}/execute</code>, here or by MCP. A schedule, a
          webhook or an event can begin it, too.
        </Note>
      )}
      {triggers.map((it, at) => (
        <TriggerForm
          key={at}
          it={it}
          number={at + 1}
          pointer={`/triggers/${at}`}
          types={TYPES}
          change={(next) => put(triggers.with(at, next))}
          turn={(type) => put(triggers.with(at, asType(it, type)))}
          remove={() => put(triggers.toSpliced(at, 1))}
        />
      ))}
      {mayChange && (
        <div className={s.add}>
          <Menu
            label="Add a trigger…"
            options={TYPES}
            onPick={(type) => put([...triggers, newTrigger(type as TriggerType)])}
          />
        </div>
      )}
    </Fields>
  );
}

/** How the triggers of a workflow are edited: by themselves, and saved as the workflow is. */
const TRIGGERS: Kind<Workflow, TriggersDraft, TriggersBody> = {
  noun: "workflow",
  key: "workflows",
  contentOf: (it) => ({ triggers: triggersOf(it) }),
  draftOf: triggersDraft,
  bodyOf: triggersBody,
  Form: TriggersForm,
  shown: ["/triggers"],
  does: "is executed",
};

/** Says what would be wrong with triggers of this workflow; what is wrong with the rest of it is said elsewhere. */
const checkIn = (workflow: Workflow) => async (body: TriggersBody) => {
  const found = await checkWorkflow({ ...contentOf(workflow), ...(body as object) });
  return found.filter((it) => it.pointer === "/triggers" || it.pointer.startsWith("/triggers/"));
};

interface Props {
  workflow: Workflow;
  /** How the page calls it: its name, or its id. */
  called: string;
  mayChange: boolean;
}

/** The triggers that a definition has, to be changed. */
export default function ChangeTriggers({ workflow, called, mayChange }: Props) {
  const kind = useMemo(() => ({ ...TRIGGERS, check: checkIn(workflow) }), [workflow]);
  return (
    <ChangeDefinition
      kind={kind}
      current={workflow}
      mayChange={mayChange}
      change={(id, version, body) => changeWorkflow(id, version, body as object)}
      queryKey={workflowDefinitionQuery(called).queryKey}
    />
  );
}
