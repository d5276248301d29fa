import { useId, useState } from "react";
import { cx } from "./cx";
import { type Base, Field } from "./Field";
import s from "./Field.module.css";
import { nearest } from "./find";
import { Icon } from "./Icon";
import { isComposing } from "./keys";

interface PickProps extends Base {
  value: readonly string[];
  onChange: (value: string[]) => void;
  /** What there is to choose. Others can be typed, and are marked unless `open`. */
  options: readonly string[];
  open?: boolean;
}

/** Names, chosen from those there are. */
export function PickField({ value, onChange, options, open, ...rest }: PickProps) {
  const [text, setText] = useState("");
  const list = useId();
  const unknown = open ? [] : value.filter((it) => !options.includes(it));
  const add = (name: string) => {
    const trimmed = name.trim();
    if (trimmed && !value.includes(trimmed)) onChange([...value, trimmed]);
    setText("");
  };
  const box = (
    <Field {...rest}>
      {({ "aria-invalid": isBad, ...wiring }) => (
        <div className={s.pick} data-invalid={isBad || undefined} role="group" aria-label={rest.label}>
          {value.map((name) => (
            <span key={name} className={cx(s.chosen, unknown.includes(name) && s.unknown)}>
              <span className="cut">{name}</span>
              <button
                type="button"
                aria-label={`Remove ${name}`}
                onClick={() => onChange(value.filter((it) => it !== name))}
              >
                <Icon name="x" small />
              </button>
            </span>
          ))}
          <input
            {...wiring}
            list={list}
            value={text}
            autoComplete="off"
            placeholder={value.length === 0 ? "Type to add" : undefined}
            onChange={(event) => {
              const typed = event.target.value;
              if (
                options.includes(typed) &&
                !(event.nativeEvent as InputEvent).inputType?.startsWith("insertText")
              )
                add(typed);
              else setText(typed);
            }}
            onKeyDown={(event) => {
              if (isComposing(event)) return;
              if (event.key === "Enter" && text) {
                event.preventDefault();
                add(text);
              }
              if (event.key === "Backspace" && !text) onChange(value.slice(0, -1));
            }}
            onBlur={() => add(text)}
          />
          <datalist id={list}>
            {options
              .filter((it) => !value.includes(it))
              .map((it) => (
                <option key={it} value={it} />
              ))}
          </datalist>
        </div>
      )}
    </Field>
  );
  const meant = unknown.flatMap((name) => {
    const near = nearest(name, options);
    return near === undefined ? [] : [[name, near] as const];
  });
  if (meant.length === 0) return box;
  return (
    <div className={s.field}>
      {box}
      {meant.map(([name, near]) => (
        <p key={name} className={s.hint}>
          Nothing is named <code>{name}</code>. Did you mean{" "}
          <button
            type="button"
            className={s.meant}
            onClick={() => onChange([...new Set(value.map((it) => (it === name ? near : it)))])}
          >
            {near}
          </button>
          ?
        </p>
      ))}
    </div>
  );
}
