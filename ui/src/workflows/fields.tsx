import { createContext, useContext, useState } from "react";
import { Unread } from "../graph/entry";
import { CodeField } from "../kit/CodeField";
import { type Base, Field, inputClass, TextField } from "../kit/Field";
import { jsonText, jsonTyped, numberText, numberTyped, secondsText, secondsTyped } from "./draft";

/** The list of what values of the entry that is open may read: its id in the page. */
export const ReadsList = createContext<string | undefined>(undefined);

/** Tells of another value. `said`: that it takes away what somebody made, which can be undone for a while. */
export type Change<T = unknown> = (value: T, said?: string) => void;

/** A field for a value, and what is told when another one was typed. */
export interface ValueProps extends Omit<Base, "error"> {
  value: unknown;
  onChange: Change;
}

/** What stands in a field: what was typed, as long as that is what the value was read from. */
export function useTyped(
  value: unknown,
  onChange: (value: unknown) => void,
  write: (value: unknown) => string,
  read: (text: string) => unknown,
): { text: string; type: (text: string) => void; error: string | undefined } {
  const [typed, setTyped] = useState({ text: write(value), value });
  const type = (text: string) => {
    const next = read(text);
    setTyped({ text, value: next });
    onChange(next);
  };
  return {
    text: Object.is(typed.value, value) ? typed.text : write(value),
    type,
    error: value instanceof Unread ? value.why : undefined,
  };
}

export function NumberField({
  value,
  onChange,
  isWhole = true,
  ...rest
}: ValueProps & { isWhole?: boolean }) {
  const { text, type, error } = useTyped(value, onChange, numberText, (it) => numberTyped(it, isWhole));
  return <TextField {...rest} error={error} value={text} onChange={type} />;
}

/** Milliseconds, typed as seconds. */
export function SecondsField({ value, onChange, ...rest }: ValueProps) {
  const { text, type, error } = useTyped(value, onChange, secondsText, secondsTyped);
  return <TextField {...rest} error={error} value={text} onChange={type} />;
}

export function JsonField({ value, onChange, rows = 4, ...rest }: ValueProps & { rows?: number }) {
  const { text, type, error } = useTyped(value, onChange, jsonText, jsonTyped);
  return <CodeField {...rest} rows={rows} error={error} value={text} onChange={type} />;
}

/** A text that is a member, and no member if nothing is typed. */
export function WordField({ value, onChange, ...rest }: ValueProps & { mono?: boolean; required?: boolean }) {
  return (
    <TextField
      {...rest}
      value={typeof value === "string" ? value : numberText(value)}
      onChange={(text) => onChange(text === "" && !rest.required ? undefined : text)}
    />
  );
}

/** A pointer to what is read, typed or chosen from what there is. */
export function PointerField({ value, onChange, ...rest }: ValueProps & { value: string }) {
  const list = useContext(ReadsList);
  return (
    <Field {...rest}>
      {(wiring) => (
        <input
          {...wiring}
          className={`${inputClass} mono`}
          list={list}
          autoComplete="off"
          spellCheck={false}
          placeholder="/input/…"
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}
