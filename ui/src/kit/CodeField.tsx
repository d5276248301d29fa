import { lazy, Suspense } from "react";
import s from "./Code.module.css";
import { Field, type FieldProps, useFaults, useMayChange } from "./Field";

const CodeEditor = lazy(() => import("./CodeEditor"));

interface Props extends Omit<FieldProps, "children"> {
  value: string;
  onChange: (value: string) => void;
  language?: "json" | "javascript";
  rows?: number;
  readOnly?: boolean;
}

/** A field for JSON or a script. What it holds stands there before the editor does, as high as that. */
export function CodeField({ value, onChange, language = "json", rows = 5, ...rest }: Props) {
  const mayChange = useMayChange();
  const readOnly = rest.readOnly || !mayChange;
  const faults = useFaults(rest.pointer);
  const error = rest.error ?? faults[0]?.detail;
  return (
    <Field {...rest}>
      {({ id }) => (
        <Suspense
          fallback={
            <pre className={s.soon} style={{ "--rows": Math.max(rows, value.split("\n").length) } as object}>
              {value}
            </pre>
          }
        >
          <CodeEditor id={id} label={rest.label} {...{ language, value, onChange, rows, readOnly, error }} />
        </Suspense>
      )}
    </Field>
  );
}
