import { useId, useState } from "react";
import { pointerOf } from "../graph/entry";
import { Button } from "../kit/Button";
import { ExactFaults, Field, inputClass, selectClass, TextArea } from "../kit/Field";
import { JsonField, PointerField, SecondsField, type ValueProps } from "./fields";
import { canShow, changedTo, type Mode, textShown, textTyped } from "./value";
import s from "./Workflows.module.css";

const WORDS: Readonly<Record<Mode, string>> = {
  none: "nothing",
  seconds: "seconds",
  reads: "what is at",
  text: "text",
  members: "members",
  json: "JSON",
};

const MODES: readonly Mode[] = ["none", "reads", "text", "members", "json"];

/** Deeper than so, a value is typed as JSON. */
const DEEPEST = 3;

interface Props extends ValueProps {
  /** Names that members may have. */
  known?: readonly string[];
  depth?: number;
  /** What may be chosen; all if it is not said. */
  modes?: readonly Mode[];
  /** A text has no places to fill in. */
  isPlain?: boolean;
}

/** A value: what is read, a text with places to fill in, an object of values, or any JSON. */
export function ValueField({ known, depth = 0, modes = MODES, isPlain = false, ...props }: Props) {
  const { label, pointer = "", optional = false, value, onChange } = props;
  const [chosen, setChosen] = useState<Mode | null>(null);
  const canBe = (it: Mode) => canShow(it, value, isPlain);
  const best = modes.find((it) => it !== "json" && canBe(it)) ?? (value === undefined ? "none" : "json");
  const mode = chosen && canBe(chosen) ? chosen : best;
  const offered = modes.filter(
    (it) => it === mode || ((it !== "none" || optional) && (it !== "members" || depth < DEEPEST)),
  );
  const choose = (next: Mode) => {
    setChosen(next);
    const isLost = value !== undefined && value !== "";
    if (!canBe(next)) onChange(changedTo(next, value), isLost ? `${label} is ${WORDS[next]} now` : undefined);
  };
  const picker = (
    <select
      className={`${selectClass} ${s.mode}`}
      aria-label={`${label} is`}
      value={mode}
      onChange={(event) => choose(event.target.value as Mode)}
    >
      {offered.map((it) => (
        <option key={it} value={it}>
          {WORDS[it]}
        </option>
      ))}
    </select>
  );
  return (
    <div className={s.value}>
      {picker}
      {mode === "none" && (
        <Field label={label} hint={props.hint} optional={optional} pointer={pointer}>
          {({ id }) => <span id={id} />}
        </Field>
      )}
      {mode === "seconds" && <SecondsField {...props} />}
      {mode === "reads" && (
        <PointerField {...props} value={(value as { $: string }).$} onChange={(it) => onChange({ $: it })} />
      )}
      {mode === "text" && (
        <TextArea
          {...props}
          rows={2}
          value={textShown(value)}
          onChange={(text) => onChange(isPlain ? text : textTyped(text))}
        />
      )}
      {mode === "json" && <JsonField {...props} rows={1} />}
      {mode === "members" && <Members {...props} known={known ?? []} depth={depth} />}
    </div>
  );
}

function Members({
  label,
  hint,
  pointer = "",
  value,
  onChange,
  known,
  depth,
}: Props & { depth: number; known: readonly string[] }) {
  const [name, setName] = useState("");
  const list = useId();
  const members = value as Record<string, unknown>;
  const isNew = name.trim() !== "" && !(name.trim() in members);
  const add = () => {
    if (!isNew) return;
    onChange({ ...members, [name.trim()]: { $: "/previous" } });
    setName("");
  };
  return (
    <fieldset className={s.members}>
      <legend>{label}</legend>
      {hint && <p className="small dim">{hint}</p>}
      <ExactFaults pointer={pointer} />
      {Object.entries(members).map(([key, it]) => (
        <div key={key} className={s.member}>
          <ValueField
            label={key}
            pointer={pointerOf(pointer, key)}
            value={it}
            depth={depth + 1}
            onChange={(next, said) => onChange({ ...members, [key]: next }, said)}
          />
          <Button
            small
            look="quiet"
            icon="x"
            aria-label={`Remove ${key}`}
            onClick={() => {
              const { [key]: _, ...others } = members;
              onChange(others, `Removed ${key}`);
            }}
          />
        </div>
      ))}
      <div className="row">
        <input
          className={inputClass}
          aria-label={`New member of ${label}`}
          placeholder="New member"
          list={list}
          autoComplete="off"
          value={name}
          onChange={(event) => setName(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            add();
          }}
        />
        <datalist id={list}>
          {known
            .filter((it) => !(it in members))
            .map((it) => (
              <option key={it} value={it} />
            ))}
        </datalist>
        <Button small icon="plus" disabled={!isNew} onClick={add}>
          Add
        </Button>
      </div>
    </fieldset>
  );
}
