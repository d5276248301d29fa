import { useState } from "react";
import { Button } from "../kit/Button";
import { CodeField } from "../kit/CodeField";
import { SelectField, useFaults } from "../kit/Field";
import { PickField } from "../kit/PickField";
import type { FormProps } from "../parts/Editor";
import type { Draft, DraftTool } from "./draft";

interface ToolsProps extends FormProps<Draft> {
  known: readonly string[];
}

/** The tools that an agent may use, and of which a person is asked first. */
export function ToolsField({ draft, setDraft, known, errors }: ToolsProps) {
  const change = (tools: DraftTool[]) => setDraft((before) => ({ ...before, tools }));
  const names = draft.tools.map((it) => it.name);
  return (
    <div>
      <PickField
        label="Tools"
        optional
        pointer="/tools"
        options={known}
        value={names}
        onChange={(chosen) =>
          change(
            chosen.map(
              (name) => draft.tools.find((it) => it.name === name) ?? { name, approval: "never", when: "" },
            ),
          )
        }
      />
      {draft.tools.map((tool, at) => (
        <ToolRow
          key={tool.name}
          tool={tool}
          error={errors[`/tools/${at}`]}
          onChange={(it) => change(draft.tools.with(at, it))}
        />
      ))}
    </div>
  );
}

function ToolRow({
  tool,
  error,
  onChange,
}: {
  tool: DraftTool;
  error: string | undefined;
  onChange: (tool: DraftTool) => void;
}) {
  const [isOpen, setOpen] = useState(tool.approval !== "never");
  const faults = useFaults(undefined);
  if (!isOpen && faults.length === 0) {
    return (
      <p className="row small" style={{ paddingTop: 6 }}>
        <span className="sub grow cut">{tool.name} is called without asking</span>
        <Button small look="quiet" onClick={() => setOpen(true)}>
          Ask a person…
        </Button>
      </p>
    );
  }
  return (
    <div className="stack" style={{ paddingTop: 8 }}>
      <SelectField
        label={`Consent for ${tool.name}`}
        options={CONSENT}
        value={tool.approval}
        onChange={(approval) => onChange({ ...tool, approval: approval as DraftTool["approval"] })}
      />
      {tool.approval === "when" && (
        <CodeField
          label={`Rule for ${tool.name}`}
          rows={4}
          hint='Over /arguments, such as {"op": "gt", "left": {"$": "/arguments/amount"}, "right": 100}'
          error={error}
          value={tool.when}
          onChange={(when) => onChange({ ...tool, when })}
        />
      )}
    </div>
  );
}

const CONSENT = [
  ["never", "not needed"],
  ["always", "for each call"],
  ["when", "when a rule holds"],
] as const;
