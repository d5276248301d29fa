import { useQuery } from "@tanstack/react-query";
import { useMay } from "../api/me";
import { CodeField } from "../kit/CodeField";
import { Section, SelectField, TextArea, TextField, twoClass } from "../kit/Field";
import { PickField } from "../kit/PickField";
import { SecretHint, useSecrets } from "../parts/Secrets";
import type { Wire } from "../parts/wire";
import type { ToolDraft } from "./draft";
import { HttpFields } from "./HttpFields";
import { pickedQuery } from "./queries";

export interface KindProps {
  draft: ToolDraft;
  change: (more: Partial<ToolDraft>) => void;
  field: Wire<ToolDraft>;
  errors: Record<string, string>;
}

/** What there is to choose. */
export function usePicked() {
  const picked = useQuery(
    pickedQuery(
      useMay("agent.read", "agent.execute"),
      useMay("workflow.read", "workflow.execute"),
      useMay("rag.read", "rag.write"),
    ),
  );
  return picked.data ?? { agents: [], workflows: [], databases: [] };
}

/** What a call does, in the words of its kind. */
export function KindFields(props: KindProps) {
  const { draft, field } = props;
  switch (draft.kind) {
    case "http":
      return <HttpFields {...props} />;
    case "javascript":
      return <ScriptFields {...props} />;
    case "static":
      return (
        <Section title="What it gives back" hint="Always the same value, whatever goes in.">
          <CodeField label="Result" rows={6} hint="JSON" {...field("result", "/config/result")} />
        </Section>
      );
    case "template":
      return (
        <Section
          title="What it gives back"
          hint="A text; {{ input.name }} stands for an argument, {% if %} and {% for %} work."
        >
          <TextArea label="Template" mono rows={8} {...field("template", "/config/template")} />
        </Section>
      );
    case "agent":
      return <AskFields {...props} />;
    case "workflow":
      return <RunFields {...props} />;
    case "rag":
      return <SearchFields {...props} />;
    default:
      return (
        <Section
          title="What it does"
          hint="It is not made here: its configuration is shown in the JSON view."
        >
          <p className="sub">A tool of kind {draft.kind}.</p>
        </Section>
      );
  }
}

function ScriptFields({ draft, field }: KindProps) {
  const secrets = useSecrets();
  const hosts = (secrets ?? []).filter((it) => draft.secrets.includes(it.name));
  return (
    <Section
      title="Script"
      hint="The body of async (input, ctx) => {…}, or a module with a default export. It runs by itself, with nothing but what is named here."
    >
      <CodeField
        label="Source"
        language="javascript"
        rows={14}
        hint="ctx.fetch(url, init) reaches the hosts below; console.log goes into the run."
        {...field("code", "/execute_code")}
      />
      <PickField
        label="Hosts it may reach"
        optional
        open
        options={[...new Set(hosts.flatMap((it) => it.hosts))]}
        {...field("hosts", "/config/hosts")}
      />
      <PickField
        label="Secrets it may send"
        optional
        open={secrets === null}
        options={(secrets ?? []).map((it) => it.name)}
        hint={
          <SecretHint>
            It writes {"{{secrets.name}}"}; the server fills the value in as it sends, to the secret's own
            hosts only.
          </SecretHint>
        }
        {...field("secrets", "/config/secrets")}
      />
      <TextField label="Memory in MB" optional {...field("memory_mb", "/config/memory_mb")} />
    </Section>
  );
}

function AskFields({ field }: KindProps) {
  const { agents } = usePicked();
  const { value, onChange, ...rest } = field("agent", "/config/agent");
  return (
    <Section title="Whom it asks" hint="With the argument input; what the agent answers is the result.">
      <PickField
        label="Agent"
        options={agents}
        value={value ? [value] : []}
        onChange={(chosen) => onChange(chosen.at(-1) ?? "")}
        {...rest}
      />
    </Section>
  );
}

function RunFields({ field }: KindProps) {
  const { workflows } = usePicked();
  const { value, onChange, ...rest } = field("workflow", "/config/workflow");
  return (
    <Section title="What it runs" hint="The arguments are its input; its output is the result.">
      <PickField
        label="Workflow"
        options={workflows}
        value={value ? [value] : []}
        onChange={(chosen) => onChange(chosen.at(-1) ?? "")}
        {...rest}
      />
    </Section>
  );
}

function SearchFields({ field }: KindProps) {
  const { databases } = usePicked();
  return (
    <Section
      title="What it searches"
      hint="With the argument query; the result has passages and their places."
    >
      <PickField label="RAG databases" options={databases} {...field("databases", "/config/databases")} />
      <div className={twoClass}>
        <SelectField label="Mode" options={MODES} {...field("mode", "/config/mode")} />
        <TextField label="Passages at most" {...field("top_k", "/config/top_k")} />
      </div>
      <CodeField
        label="Filter"
        optional
        rows={3}
        hint="Which documents, by their metadata."
        {...field("filter", "/config/filter")}
      />
    </Section>
  );
}

const MODES = [
  ["hybrid", "hybrid: meaning and words"],
  ["vector", "vector: meaning"],
  ["keyword", "keyword: words"],
] as const;
