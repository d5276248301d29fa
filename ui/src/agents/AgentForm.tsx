import { useQuery } from "@tanstack/react-query";
import { useMay } from "../api/me";
import type { Agent, NewAgent } from "../api/types";
import { CodeField } from "../kit/CodeField";
import { Check, Fields, Section, SelectField, TextArea, TextField, threeClass, twoClass } from "../kit/Field";
import { Skeleton } from "../kit/Messages";
import { PickField } from "../kit/PickField";
import type { Kind } from "../parts/Definition";
import type { FormProps } from "../parts/Editor";
import { wireOf } from "../parts/wire";
import { bodyOf, contentOf, type Draft, draftOf } from "./draft";
import { namesQuery } from "./queries";
import { ToolsField } from "./ToolsField";

interface Props extends FormProps<Draft> {
  isNew: boolean;
}

/** The pointers at which fields show faults themselves. */
const SHOWN_POINTERS = [
  "/name",
  "/display_name",
  "/description",
  "/instructions",
  "/model",
  "/model_options",
  "/tools",
  "/agents",
  "/workflows",
  "/rag_databases",
  "/memory",
  "/context_schema",
  "/output_schema",
  "/limits",
  "/scopes",
  "/metadata",
];

function AgentForm({ draft, setDraft, errors, isNew }: Props) {
  const names = useQuery(
    namesQuery(
      useMay("tool.read", "tool.execute"),
      useMay("workflow.read", "workflow.execute"),
      useMay("rag.read", "rag.write"),
    ),
  );
  const field = wireOf({ draft, setDraft, errors });
  if (!names.isFetched) return <Skeleton />;
  const models = names.data?.models ?? [];
  const missing = models
    .filter((it) => draft.models.includes(it.id) && !it.configured)
    .map((it) => it.provider);
  return (
    <Fields>
      <Section title="Who it is" hint="The name is what programs call.">
        <div className={twoClass}>
          <TextField label="Display name" required {...field("display_name", "/display_name")} />
          <TextField
            label="Name"
            mono
            required
            readOnly={!isNew}
            hint={isNew ? "A letter, then letters, digits, _ and -." : "It stays: programs call it."}
            {...field("name", "/name")}
          />
        </div>
        <TextField
          label="Description"
          optional
          hint="What it is good for: other agents that may ask it read this."
          {...field("description", "/description")}
        />
      </Section>
      <Section
        title="What it is told"
        hint="Plain text. With a context schema it is a template over context, now and user."
      >
        <TextArea label="Instructions" rows={12} required {...field("instructions", "/instructions")} />
      </Section>
      <Section title="Model" hint="Several are tried in order. None: the server's default.">
        <PickField
          label="Models"
          optional
          open
          options={models.map((it) => it.id)}
          hint={
            missing.length > 0
              ? `${[...new Set(missing)].join(" and ")} cannot be called: the server has no key.`
              : "provider/name"
          }
          {...field("models", "/model")}
        />
        <div className={threeClass}>
          <TextField label="Temperature" optional {...field("temperature", "/model_options/temperature")} />
          <TextField label="Top p" optional {...field("top_p", "/model_options/top_p")} />
          <TextField
            label="Output tokens"
            optional
            {...field("max_output_tokens", "/model_options/max_output_tokens")}
          />
        </div>
        <div className={twoClass}>
          <SelectField
            label="Reasoning effort"
            options={EFFORTS}
            {...field("reasoning_effort", "/model_options/reasoning_effort")}
          />
          <SelectField
            label="Tool choice"
            options={[...CHOICES, ...draft.tools.map((it) => [it.name, `always ${it.name}`] as const)]}
            {...field("tool_choice", "/model_options/tool_choice")}
          />
        </div>
        <Check
          label="May call several tools at once"
          checked={draft.parallel_tool_calls}
          onChange={(it) => setDraft((before) => ({ ...before, parallel_tool_calls: it }))}
        />
        <CodeField
          label="Members for the provider"
          optional
          rows={2}
          hint="JSON that goes into its request as it is."
          {...field("provider", "/model_options/provider")}
        />
      </Section>
      <Section title="What it may use" hint="It may never do more than whoever calls it.">
        <ToolsField draft={draft} setDraft={setDraft} known={names.data?.tools ?? []} errors={errors} />
        <PickField
          label="Agents it may ask"
          optional
          options={(names.data?.agents ?? []).filter((it) => it !== draft.name)}
          {...field("agents", "/agents")}
        />
        <PickField
          label="Workflows it may run"
          optional
          hint="Each is a tool run_<name>, with the input schema of the workflow."
          options={names.data?.workflows ?? []}
          {...field("workflows", "/workflows")}
        />
        <PickField
          label="RAG databases it may search"
          optional
          options={names.data?.databases ?? []}
          {...field("rag_databases", "/rag_databases")}
        />
      </Section>
      <Section title="Memory" hint="What of a thread the model is shown.">
        <div className={twoClass}>
          <TextField label="Last messages" {...field("last_messages", "/memory/last_messages")} />
          <TextField label="Tokens at most" optional {...field("memory_tokens", "/memory/max_tokens")} />
        </div>
      </Section>
      <Section title="Limits" hint="A run that reaches one ends there, and says which.">
        <div className={threeClass}>
          <TextField label="Turns" {...field("max_steps", "/limits/max_steps")} />
          <TextField label="Seconds" {...field("timeout_s", "/limits/timeout_ms")} />
          <TextField
            label="Calls at once"
            {...field("max_parallel_tool_calls", "/limits/max_parallel_tool_calls")}
          />
        </div>
        <div className={twoClass}>
          <TextField label="Tokens" optional {...field("max_tokens", "/limits/max_tokens")} />
          <TextField label="Cost in USD" optional {...field("max_cost_usd", "/limits/max_cost_usd")} />
        </div>
      </Section>
      <Section title="Shape" hint="JSON Schema, 2020-12.">
        <CodeField
          label="Context schema"
          optional
          rows={5}
          hint="What callers pass as context; the instructions may use it."
          {...field("context_schema", "/context_schema")}
        />
        <CodeField
          label="Output schema"
          optional
          rows={5}
          hint="The answer is then a value that fits it."
          {...field("output_schema", "/output_schema")}
        />
      </Section>
      <Section title="Access" hint="A caller must hold all of these.">
        <PickField label="Scopes" options={["agent.execute"]} open {...field("scopes", "/scopes")} />
        <CodeField label="Metadata" optional rows={3} {...field("metadata", "/metadata")} />
      </Section>
    </Fields>
  );
}

const EFFORTS = [
  ["", "as the model has it"],
  ["none", "none"],
  ["low", "low"],
  ["medium", "medium"],
  ["high", "high"],
] as const;
const CHOICES = [
  ["auto", "as it likes"],
  ["required", "always one"],
  ["none", "none"],
] as const;

/** How agents are edited. */
export const AGENT: Kind<Agent, Draft, NewAgent> = {
  noun: "agent",
  key: "agents",
  contentOf,
  draftOf,
  bodyOf,
  Form: AgentForm,
  shown: SHOWN_POINTERS,
  does: "answers",
};
