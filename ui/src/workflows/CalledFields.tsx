import { useQuery } from "@tanstack/react-query";
import { isObject, textOf } from "../graph/entry";
import { twoClass } from "../kit/Field";
import { PickField } from "../kit/PickField";
import { NumberField } from "./fields";
import type { KindProps } from "./KindFields";
import { inputSchemaQuery } from "./queries";
import { ValueField } from "./ValueField";

const WORDS = { agent: "Agent", tool: "Tool", workflow: "Workflow", step: "Step" } as const;

/** What is called, and with what. */
export function Called({ entry, wire, names, kind }: KindProps & { kind: keyof typeof WORDS }) {
  const { pointer, onChange } = wire(kind);
  const name = textOf(entry[kind]);
  const options = names[kind];
  const { data: schema } = useQuery({
    ...inputSchemaQuery(kind === "step" ? "step" : "tool", name),
    enabled: (kind === "tool" || kind === "step") && options.includes(name),
  });
  const properties = isObject(schema) ? schema.properties : null;
  return (
    <>
      <PickField
        label={WORDS[kind]}
        pointer={pointer}
        options={options}
        open={options.length === 0}
        value={name ? [name] : []}
        onChange={(chosen) => onChange(chosen.at(-1) ?? "")}
      />
      <ValueField
        label="Input"
        optional
        hint="What came before, if nothing is said."
        known={isObject(properties) ? Object.keys(properties) : []}
        {...wire("input")}
      />
      {kind !== "step" && (
        <div className={twoClass}>
          <NumberField label="Version" optional hint="That of the time if not said" {...wire("version")} />
        </div>
      )}
    </>
  );
}
