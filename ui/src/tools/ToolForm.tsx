import type { NewTool, Tool } from "../api/types";
import { CodeField } from "../kit/CodeField";
import { Fields, Section, SelectField, TextArea, TextField, threeClass, twoClass } from "../kit/Field";
import { PickField } from "../kit/PickField";
import type { Kind } from "../parts/Definition";
import type { FormProps } from "../parts/Editor";
import { wireOf } from "../parts/wire";
import { bodyOf, contentOf, draftOf, type ToolDraft } from "./draft";
import { KindFields } from "./KindFields";
import { KINDS } from "./search";

/** The pointers at which fields show faults themselves. */
const SHOWN_POINTERS = [
  "/name",
  "/display_name",
  "/description",
  "/kind",
  "/input_schema",
  "/output_schema",
  "/execute_code",
  "/config/method",
  "/config/url",
  "/config/query",
  "/config/headers",
  "/config/body",
  "/config/auth",
  "/config/response",
  "/config/hosts",
  "/config/secrets",
  "/config/memory_mb",
  "/config/result",
  "/config/template",
  "/config/agent",
  "/config/workflow",
  "/config/databases",
  "/config/mode",
  "/config/top_k",
  "/config/filter",
  "/effect",
  "/approval",
  "/timeout_ms",
  "/retry",
  "/scopes",
  "/metadata",
];

function ToolForm({ draft, setDraft, errors, isNew }: FormProps<ToolDraft> & { isNew: boolean }) {
  const field = wireOf({ draft, setDraft, errors });
  const change = (more: Partial<ToolDraft>) => setDraft((before) => ({ ...before, ...more }));
  // What another server says of its tool is accepted there, and not written here.
  const isPinned = draft.kind === "mcp";
  const kinds = KINDS.some((it) => it === draft.kind) ? KINDS : [draft.kind];
  return (
    <Fields>
      <Section title="What it is" hint="Models choose a tool by its name and its description.">
        <div className={twoClass}>
          <TextField
            label="Name"
            mono
            required
            readOnly={!isNew}
            hint={isNew ? "A letter, then letters, digits, _ and -." : "It stays: agents name it."}
            {...field("name", "/name")}
          />
          <TextField
            label="Display name"
            optional
            readOnly={isPinned}
            {...field("display_name", "/display_name")}
          />
        </div>
        <TextArea
          label="Description"
          rows={3}
          required
          readOnly={isPinned}
          hint={
            isPinned
              ? "In the words of the server that it is of, as they were accepted."
              : "What the model reads: what it does, and when to use it."
          }
          {...field("description", "/description")}
        />
        <SelectField
          label="Kind"
          options={kinds.map((it) => [it, it] as const)}
          {...field("kind", "/kind")}
          onChange={(kind) => change({ kind: kind as ToolDraft["kind"] })}
        />
      </Section>
      <Section title="What goes in and comes out" hint="JSON Schema, 2020-12. What does not fit is refused.">
        <CodeField
          label="Input schema"
          rows={8}
          readOnly={isPinned}
          {...field("input_schema", "/input_schema")}
        />
        <CodeField
          label="Output schema"
          optional
          rows={4}
          readOnly={isPinned}
          {...field("output_schema", "/output_schema")}
        />
      </Section>
      <KindFields draft={draft} change={change} field={field} errors={errors} />
      <Section title="How it is called" hint="What has effects is never repeated by itself.">
        <div className={twoClass}>
          <SelectField
            label="Effect"
            options={EFFECTS}
            {...field("effect", "/effect")}
            onChange={(effect) => change({ effect: effect as ToolDraft["effect"] })}
          />
          <SelectField
            label="Consent of a person"
            options={CONSENT}
            {...field("approval", "/approval")}
            error={undefined}
            onChange={(approval) => change({ approval: approval as ToolDraft["approval"] })}
          />
        </div>
        {draft.approval === "when" && (
          <CodeField
            label="Rule"
            rows={4}
            hint='Over /arguments, such as {"op": "gt", "left": {"$": "/arguments/amount"}, "right": 100}'
            error={errors["/approval"]}
            value={draft.when}
            onChange={(when) => change({ when })}
          />
        )}
        <div className={threeClass}>
          <TextField label="Seconds" {...field("timeout_s", "/timeout_ms")} />
          <TextField label="Retries" {...field("retries", "/retry/max")} />
          <TextField label="Pause in ms" {...field("backoff_ms", "/retry/backoff_ms")} />
        </div>
      </Section>
      <Section title="Access" hint="A caller must hold all of these, also through an agent.">
        <PickField label="Scopes" options={["tool.execute"]} open {...field("scopes", "/scopes")} />
        <CodeField label="Metadata" optional rows={3} {...field("metadata", "/metadata")} />
      </Section>
    </Fields>
  );
}

const EFFECTS = [
  ["", "as its kind has it"],
  ["read", "only reads: may be repeated freely"],
  ["idempotent", "the same call twice is one"],
  ["effect", "has effects: never repeated"],
] as const;
const CONSENT = [
  ["never", "not needed"],
  ["always", "for each call"],
  ["when", "when a rule holds"],
] as const;

/** How tools are edited. */
export const TOOL: Kind<Tool, ToolDraft, NewTool> = {
  noun: "tool",
  key: "tools",
  contentOf,
  draftOf,
  bodyOf,
  Form: ToolForm,
  shown: SHOWN_POINTERS,
  does: "is called",
};
