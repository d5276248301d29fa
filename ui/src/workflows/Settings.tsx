import { CodeField } from "../kit/CodeField";
import { Fields, TextArea, TextField, twoClass } from "../kit/Field";
import { PickField } from "../kit/PickField";
import type { FormProps } from "../parts/Editor";
import { wireOf } from "../parts/wire";
import type { WorkflowDraft } from "./draft";
import type { Change } from "./fields";
import { ValueField } from "./ValueField";
import s from "./Workflows.module.css";

interface Props extends FormProps<WorkflowDraft> {
  isNew: boolean;
  /** Changes the draft by something that can be undone. */
  change: Change<WorkflowDraft>;
}

/** The workflow itself: its name, what goes in and comes out, how far a run may go, and who may begin one. */
export function Settings({ isNew, change, ...form }: Props) {
  const field = wireOf(form);
  return (
    <Fields className={s.settings}>
      <section className={s.entryForm}>
        <h2>What it is</h2>
        <TextField
          label="Name"
          mono
          required
          readOnly={!isNew}
          hint={isNew ? "A letter, then letters, digits, _ and -." : "It stays: programs call it."}
          {...field("name", "/name")}
        />
        <TextField label="Display name" optional {...field("display_name", "/display_name")} />
        <TextArea
          label="Description"
          optional
          rows={2}
          hint="What it is good for: agents that may run it read this."
          {...field("description", "/description")}
        />
      </section>
      <section className={s.entryForm}>
        <h2>What goes in and comes out</h2>
        <CodeField
          label="Input schema"
          optional
          rows={6}
          hint="JSON Schema, 2020-12. Runs are begun with a form of it."
          {...field("input_schema", "/input_schema")}
        />
        <ValueField
          label="Output"
          optional
          hint="What the last entry gives, if nothing is said."
          pointer="/output"
          value={form.draft.output}
          onChange={(output, said) => change({ ...form.draft, output }, said)}
        />
        <CodeField label="Output schema" optional rows={3} {...field("output_schema", "/output_schema")} />
      </section>
      <section className={s.entryForm}>
        <h2>How far a run may go</h2>
        <div className={twoClass}>
          <TextField label="Entries begun" {...field("max_steps", "/limits/max_steps")} />
          <TextField label="Calls at once" {...field("max_parallel", "/limits/max_parallel")} />
          <TextField label="Tokens" optional {...field("max_tokens", "/limits/max_tokens")} />
          <TextField label="Cost in USD" optional {...field("max_cost_usd", "/limits/max_cost_usd")} />
          <TextField
            label="Seconds of work"
            hint="Sleep and waiting do not count."
            {...field("timeout_s", "/limits/timeout_ms")}
          />
        </div>
      </section>
      <section className={s.entryForm}>
        <h2>Who may run it</h2>
        <PickField
          label="Scopes"
          hint="A caller must hold all of these."
          options={["workflow.execute"]}
          open
          {...field("scopes", "/scopes")}
        />
        <CodeField label="Metadata" optional rows={3} {...field("metadata", "/metadata")} />
      </section>
    </Fields>
  );
}
