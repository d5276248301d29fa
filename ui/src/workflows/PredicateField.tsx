import { useState } from "react";
import { pointerOf } from "../graph/entry";
import { Button } from "../kit/Button";
import { ExactFaults, selectClass } from "../kit/Field";
import { JsonField, type ValueProps } from "./fields";
import { NEW_RULE, OPS, type Op, opOf, shapeOf, withOp } from "./predicate";
import { ValueField } from "./ValueField";
import s from "./Workflows.module.css";

const WORDS: Readonly<Record<Op, string>> = {
  eq: "is equal to",
  ne: "is not equal to",
  lt: "is less than",
  lte: "is at most",
  gt: "is more than",
  gte: "is at least",
  in: "is an item of",
  contains: "contains",
  exists: "is there",
  truthy: "is true or not empty",
  and: "all of these hold",
  or: "one of these holds",
  not: "this does not hold",
};

const DEEPEST = 4;

/** A rule over what is read: as a form, or as JSON. */
export function PredicateField({ depth = 0, ...props }: ValueProps & { depth?: number }) {
  const { label, pointer = "", value, onChange } = props;
  const op = opOf(value);
  const [isJson, setJson] = useState(false);
  const shown = isJson || op === null || depth > DEEPEST ? "json" : op;
  const rule = value as Record<string, unknown>;
  const member = (name: string) => ({
    pointer: pointerOf(pointer, name),
    value: rule[name],
    onChange: (it: unknown, said?: string) => onChange({ ...rule, [name]: it }, said),
  });
  const picker = (
    <select
      className={selectClass}
      aria-label={`${label}: rule`}
      value={shown}
      onChange={(event) => {
        const next = event.target.value;
        setJson(next === "json");
        if (next === "json") return;
        const to = next as Op;
        const isKept = op !== null && shapeOf(op) === shapeOf(to);
        onChange(withOp(value, to), isKept ? undefined : `${label}: ${WORDS[to]}`);
      }}
    >
      {OPS.map((it) => (
        <option key={it} value={it}>
          {WORDS[it]}
        </option>
      ))}
      <option value="json">as JSON</option>
    </select>
  );
  if (shown === "json") {
    return (
      <fieldset className={s.rule}>
        <legend>{label}</legend>
        {picker}
        <JsonField {...props} label={`${label} as JSON`} />
      </fieldset>
    );
  }
  const shape = shapeOf(shown);
  const args = Array.isArray(rule.args) ? rule.args : [];
  return (
    <fieldset className={s.rule}>
      <legend>{label}</legend>
      <ExactFaults pointer={pointer} />
      {shape === "compare" && <Operand label="Left" {...member("left")} />}
      {shape === "value" && <Operand label="Value" {...member("value")} />}
      {picker}
      {shape === "compare" && <Operand label="Right" {...member("right")} />}
      {shape === "arg" && <PredicateField label="Rule" depth={depth + 1} {...member("arg")} />}
      {shape === "args" && (
        <>
          {args.map((it, at) => (
            <div key={at} className={s.member}>
              <PredicateField
                label={`Rule ${at + 1}`}
                depth={depth + 1}
                pointer={pointerOf(pointerOf(pointer, "args"), at)}
                value={it}
                onChange={(next, said) => onChange({ ...rule, args: args.with(at, next) }, said)}
              />
              <Button
                small
                look="quiet"
                icon="x"
                aria-label={`Remove rule ${at + 1}`}
                onClick={() => onChange({ ...rule, args: args.toSpliced(at, 1) }, `Removed rule ${at + 1}`)}
              />
            </div>
          ))}
          <div>
            <Button small icon="plus" onClick={() => onChange({ ...rule, args: [...args, NEW_RULE] })}>
              Add a rule
            </Button>
          </div>
        </>
      )}
    </fieldset>
  );
}

/** What is compared: what is read, a text, or JSON. A template is none. */
const Operand = (props: ValueProps) => <ValueField {...props} modes={["reads", "text", "json"]} isPlain />;
