import { useMemo, useState } from "react";
import { CodeField } from "../kit/CodeField";
import { Check, Field, SelectField, TextArea, TextField } from "../kit/Field";
import { pretty } from "../kit/json";
import { Segmented } from "../kit/Page";
import type { Made } from "./reading";
import s from "./Schema.module.css";
import {
  anyOf,
  argumentsOf,
  composed,
  fieldsOf,
  holds,
  type Schema,
  type SchemaField,
  type Typed,
  typedOf,
} from "./schema";

type View = "form" | "json";

/** Arguments as they are typed: an object, unless it may be any JSON. */
export interface Arguments<T = Record<string, unknown>> {
  fields: readonly SchemaField[] | null;
  view: View;
  typed: Typed;
  json: string;
  made: Made<T>;
  /** What is typed as JSON. */
  hint: string;
  look: (view: View) => void;
  type: (pointer: string, text: string) => void;
  typeJson: (text: string) => void;
  /** Takes these instead of what was typed. */
  put: (value: unknown) => void;
}

/** Arguments of this schema: a form and JSON, two views of one value. */
export const useArguments = (schema: Schema): Arguments => useTyped(schema, argumentsOf, "A JSON object.");

/** The same of a schema that may be of any JSON. */
export const useAny = (schema: Schema): Arguments<unknown> => useTyped<unknown>(schema, anyOf, "JSON.");

function useTyped<T>(schema: Schema, read: (text: string) => Made<T>, hint: string): Arguments<T> {
  const fields = useMemo(() => fieldsOf(schema), [schema]);
  const [view, setView] = useState<View>(fields ? "form" : "json");
  const [typed, setTyped] = useState<Typed>(() => typedOf(fields ?? []));
  const [json, setJson] = useState("{}");
  const made = useMemo(
    () => (view === "form" && fields ? (composed(fields, typed) as Made<T>) : read(json)),
    [view, fields, typed, json, read],
  );
  const put = (value: unknown) => {
    const fits = fields !== null && holds(fields, value);
    if (fits) setTyped(typedOf(fields, value));
    else setJson(pretty(value));
    setView(fits ? "form" : "json");
  };
  const look = (next: View) => {
    if (!("body" in made)) return;
    if (next === "form") put(made.body);
    else {
      setJson(pretty(made.body));
      setView("json");
    }
  };
  const type = (pointer: string, text: string) => setTyped((before) => ({ ...before, [pointer]: text }));
  return { fields, view, typed, json, made, hint, look, type, typeJson: setJson, put };
}

interface SchemaFormProps {
  of: Arguments<unknown>;
  /** Where they stand in the body that is sent. */
  pointer: string;
  label?: string;
}

/** The fields of arguments. */
export function SchemaForm({ of, pointer, label = "Arguments" }: SchemaFormProps) {
  const { fields, view, made, typed, json, hint, look, type, typeJson } = of;
  const errors = "errors" in made ? made.errors : {};
  const cannot = view === "json" && "body" in made && fields !== null && !holds(fields, made.body);
  return (
    <div className={s.fields}>
      {fields && (
        <Segmented
          label={`${label} as`}
          value={view}
          options={[
            ["form", "Form"],
            ["json", "JSON"],
          ]}
          onChange={look}
        />
      )}
      {view === "form" && fields ? (
        <Fields {...{ fields, typed, errors, type }} above={pointer} />
      ) : (
        <CodeField
          label={label}
          rows={6}
          hint={cannot ? "It has members that the form does not show." : hint}
          pointer={pointer}
          error={errors[""]}
          value={json}
          onChange={typeJson}
        />
      )}
    </div>
  );
}

interface FieldsProps {
  fields: readonly SchemaField[];
  typed: Typed;
  errors: Record<string, string>;
  above: string;
  type: (pointer: string, text: string) => void;
}

const Fields = ({ fields, ...rest }: FieldsProps) =>
  fields.map((it) => <One key={it.pointer} it={it} {...rest} />);

function One({ it, typed, errors, above, type }: Omit<FieldsProps, "fields"> & { it: SchemaField }) {
  if (it.kind === "group") {
    return (
      <fieldset className={s.group}>
        <legend>{it.label}</legend>
        <Fields fields={it.fields} {...{ typed, errors, above, type }} />
      </fieldset>
    );
  }
  const common = {
    label: it.label,
    hint: it.kind === "list" ? [it.hint, "One a line."].filter(Boolean).join(" ") : it.hint,
    optional: !it.isRequired,
    pointer: above + it.pointer,
    error: errors[it.pointer],
    value: typed[it.pointer] ?? "",
    onChange: (text: string) => type(it.pointer, text),
  };
  switch (it.kind) {
    case "boolean":
      return (
        <Check
          label={it.label}
          hint={it.hint}
          checked={typed[it.pointer] === "true"}
          onChange={(checked) => type(it.pointer, String(checked))}
        />
      );
    case "choice":
      return <Choice it={it} common={common} />;
    case "long":
    case "list":
      return <TextArea rows={3} {...common} />;
    case "json":
      return <CodeField rows={3} {...common} />;
    default:
      return <TextField {...common} />;
  }
}

const FEW = 4;

function Choice({ it, common }: { it: SchemaField; common: React.ComponentProps<typeof TextField> }) {
  const options = it.choices.map((choice) => {
    return [pretty(choice), typeof choice === "string" ? choice : pretty(choice)] as const;
  });
  if (it.isRequired && options.length <= FEW) {
    return (
      <Field {...common}>
        {() => (
          <Segmented label={it.label} value={common.value} options={options} onChange={common.onChange} />
        )}
      </Field>
    );
  }
  return <SelectField {...common} options={[["", ""], ...options]} />;
}
