import { createContext, type ReactNode, useContext, useId } from "react";
import type { Fault } from "../api/problem";
import { cx } from "./cx";
import s from "./Field.module.css";
import { Icon } from "./Icon";

/** What the server found wrong with the form that is shown, by JSON pointers into its body. */
const Faults = createContext<readonly Fault[]>([]);
export const FaultsOf = Faults.Provider;

/** The faults at `pointer` and below it. */
export function useFaults(pointer: string | undefined): Fault[] {
  const faults = useContext(Faults);
  if (pointer === undefined) return [];
  return faults.filter((it) => it.pointer === pointer || it.pointer.startsWith(`${pointer}/`));
}

/** Whether what is shown may be changed by who looks at it. */
const MayChange = createContext(true);
export const MayChangeOf = MayChange.Provider;
export const useMayChange = () => useContext(MayChange);

/** Fields, which who may only look at them cannot change. */
export const Fields = ({ className, children }: { className?: string | undefined; children: ReactNode }) => (
  <fieldset className={className} disabled={!useMayChange()}>
    {children}
  </fieldset>
);

export interface FieldProps {
  label: string;
  hint?: ReactNode;
  optional?: boolean;
  /** Where its value stands in the body that is sent: faults there are shown here. */
  pointer?: string;
  /** What is wrong with it as it stands, found here. */
  error?: string | undefined;
  children: (wiring: Wiring) => ReactNode;
}

/** What ties a control to its label, hint and error. */
export interface Wiring {
  id: string;
  "aria-describedby": string;
  "aria-invalid": boolean;
}

export function Field({ label, hint, optional, pointer, error, children }: FieldProps) {
  const id = useId();
  const faults = useFaults(pointer);
  const isBad = Boolean(error) || faults.length > 0;
  return (
    <div className={s.field}>
      <label className={s.label} htmlFor={id}>
        {label} {optional && <small>optional</small>}
      </label>
      {children({ id, "aria-describedby": `${id}-h`, "aria-invalid": isBad })}
      <div id={`${id}-h`}>
        {error && <FieldError detail={error} />}
        {faults.map((it) => (
          <FieldError key={it.pointer + it.code} detail={it.detail} pointer={it.pointer} />
        ))}
        {!isBad && hint && <p className={s.hint}>{hint}</p>}
      </div>
    </div>
  );
}

/** The faults of what has fields within it, that are not theirs. */
export function ExactFaults({ pointer }: { pointer: string }) {
  const faults = useFaults(pointer).filter((it) => it.pointer === pointer);
  return faults.map((it) => <FieldError key={it.code} detail={it.detail} pointer={it.pointer} />);
}

function FieldError({ detail, pointer }: { detail: string; pointer?: string }) {
  return (
    <p className={s.err}>
      <Icon name="octagon-x" small />
      <span>
        {sentence(detail)} {pointer && <code>{pointer}</code>}
      </span>
    </p>
  );
}

/** Leads to the first field that is wrong, or to what leads to it. */
export function focusFault() {
  const wrong =
    document.querySelector<HTMLElement>("main :is([aria-invalid=true], [data-invalid])") ??
    document.querySelector<HTMLElement>("main [data-faults] button");
  const inside = (wrong?.shadowRoot ?? wrong)?.querySelector<HTMLElement>("[contenteditable], input");
  (inside ?? wrong)?.focus();
}

/** A detail of the server as a sentence. */
export function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

export type Base = Omit<FieldProps, "children">;

interface TextProps extends Base {
  value: string;
  onChange: (value: string) => void;
  mono?: boolean;
  required?: boolean;
  readOnly?: boolean;
  autoFocus?: boolean;
  type?: "text" | "password" | "number" | "email" | "datetime-local";
  autoComplete?: string;
}

export function TextField({ value, onChange, mono, type = "text", ...rest }: TextProps) {
  const { required, readOnly, autoComplete = "off", autoFocus } = rest;
  return (
    <Field {...rest}>
      {(wiring) => (
        <input
          {...wiring}
          {...{ type, value, required, readOnly, autoComplete, autoFocus }}
          dir={type === "text" ? "auto" : undefined}
          spellCheck={!mono}
          className={cx(s.in, mono && "mono")}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

export function TextArea({ value, onChange, mono, rows = 4, ...rest }: TextProps & { rows?: number }) {
  return (
    <Field {...rest}>
      {(wiring) => (
        <textarea
          {...wiring}
          {...{ rows, value, required: rest.required, readOnly: rest.readOnly }}
          dir="auto"
          spellCheck={!mono}
          className={cx(s.in, mono && s.code)}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

interface SelectProps extends Base {
  value: string;
  onChange: (value: string) => void;
  options: readonly (readonly [value: string, label: string])[];
}

export function SelectField({ value, onChange, options, ...rest }: SelectProps) {
  return (
    <Field {...rest}>
      {(wiring) => (
        <select
          {...wiring}
          className={s.select}
          value={value}
          onChange={(event) => onChange(event.target.value)}
        >
          {options.map(([key, label]) => (
            <option key={key} value={key}>
              {label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

interface CheckProps {
  label: ReactNode;
  hint?: ReactNode;
  checked: boolean;
  onChange: (checked: boolean) => void;
}

export function Check({ label, hint, checked, onChange }: CheckProps) {
  return (
    <label className={s.check}>
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.target.checked)} />
      <span>
        {label}
        {hint && <span className={s.hint}> {hint}</span>}
      </span>
    </label>
  );
}

export function Search({
  label,
  value,
  onChange,
  placeholder,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
}) {
  return (
    <label className={s.search}>
      <Icon name="search" />
      <span className="vh">{label}</span>
      <input
        className={s.in}
        type="search"
        placeholder={placeholder ?? label}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </label>
  );
}

/** Fields that belong together, with their heading beside them. */
export function Section({ title, hint, children }: { title: string; hint?: ReactNode; children: ReactNode }) {
  return (
    <section className={s.section}>
      <header>
        <h2>{title}</h2>
        {hint && <p>{hint}</p>}
      </header>
      <div className={s.form}>{children}</div>
    </section>
  );
}

export const formClass = s.form;
export const twoClass = s.two;
export const threeClass = s.three;
export const inputClass = s.in;
export const selectClass = s.select;
export const savebarClass = s.savebar;
