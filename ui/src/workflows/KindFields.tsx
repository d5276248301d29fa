import { type Entry, pointerOf, textOf } from "../graph/entry";
import { CodeField } from "../kit/CodeField";
import { SelectField, TextArea, twoClass } from "../kit/Field";
import { Called } from "./CalledFields";
import { type Change, JsonField, NumberField, SecondsField, WordField } from "./fields";
import { Branches, Cases } from "./Parts";
import { PredicateField } from "./PredicateField";
import { NEW_RULE } from "./predicate";
import type { Names } from "./useNames";
import { ValueField } from "./ValueField";

/** What ties a member of an entry to its place in the body. */
export type Wire = (name: string) => {
  pointer: string;
  value: unknown;
  onChange: Change;
};

export interface KindProps {
  entry: Entry;
  pointer: string;
  change: Change<Entry>;
  wire: Wire;
  names: Names;
}

/** What entries of each type have beside the members that all have. */
export function KindFields(props: KindProps) {
  const { entry, wire, change, pointer } = props;
  switch (entry.type) {
    case "agent":
    case "tool":
    case "workflow":
    case "step":
      return <Called {...props} kind={entry.type} />;
    case "mapping":
      return <ValueField label="Output" hint="What it gives." {...wire("output")} />;
    case "parallel":
      return <Branches {...props} />;
    case "conditional":
      return <Cases {...props} />;
    case "foreach":
      return (
        <>
          <ValueField label="Items" hint="A list: each of it is a turn." {...wire("items")} />
          <div className={twoClass}>
            <NumberField label="Turns at once" optional hint="1 if not said" {...wire("concurrency")} />
            <NumberField label="Items at most" optional hint="1,000 if not said" {...wire("max_items")} />
          </div>
        </>
      );
    case "loop":
      return <Loop entry={entry} pointer={pointer} change={change} wire={wire} />;
    case "sleep":
      return (
        <ValueField
          label="How long"
          modes={["seconds", "reads", "json"]}
          hint="At most 366 days. What is read, or JSON, is in milliseconds."
          {...wire("duration_ms")}
        />
      );
    case "sleep_until":
      return (
        <ValueField
          label="Until"
          hint="A time such as 2026-12-24T18:00:00Z; one that is over does not wait."
          {...wire("until")}
        />
      );
    case "wait_for_event":
      return (
        <>
          <WordField label="Event" required hint="The name that whoever sends it says." {...wire("event")} />
          <ValueField
            label="Key"
            optional
            hint="Only an event with this key is taken: such as the number of the order."
            {...wire("key")}
          />
          <JsonField label="Schema of its payload" optional {...wire("schema")} />
        </>
      );
    case "approval":
      return <Approval wire={wire} entry={entry} />;
    case "script":
      return (
        <CodeField
          label="Source"
          language="javascript"
          rows={10}
          hint="The body of async (input) => {…}, without a network; 30 seconds at most."
          pointer={pointerOf(pointer, "code")}
          value={textOf(entry.code)}
          onChange={(code) => change({ ...entry, code })}
        />
      );
    case "fail":
      return <Template label="Message" hint="Why the run fails." wire={wire("message")} />;
    default:
      return null;
  }
}

function Template({ label, hint, wire }: { label: string; hint: string; wire: ReturnType<Wire> }) {
  return (
    <TextArea
      label={label}
      required
      rows={3}
      hint={`${hint} {{ steps.fetch.output.total }} is filled in.`}
      {...wire}
      value={textOf(wire.value)}
    />
  );
}

function Loop({ entry, pointer, change, wire }: Pick<KindProps, "entry" | "pointer" | "change" | "wire">) {
  const name = entry.until === undefined ? "while" : "until";
  const turn = (next: string) => {
    const { [name]: rule, ...others } = entry;
    change({ ...others, [next]: rule ?? NEW_RULE });
  };
  return (
    <>
      <SelectField
        label="It is repeated"
        options={[
          ["until", "until a rule holds, looked at after each turn"],
          ["while", "while a rule holds, looked at before each turn"],
        ]}
        value={name}
        onChange={turn}
      />
      <PredicateField
        label={name === "until" ? "Until" : "While"}
        pointer={pointerOf(pointer, name)}
        value={entry[name]}
        onChange={(rule, said) => change({ ...entry, [name]: rule }, said)}
      />
      <NumberField
        label="Turns at most"
        hint="Not being over by then is a failure."
        {...wire("max_iterations")}
      />
    </>
  );
}

const ON_TIMEOUT = [
  ["reject", "counts as denied"],
  ["approve", "counts as approved"],
  ["fail", "fails"],
] as const;

function Approval({ wire, entry }: { wire: Wire; entry: Entry }) {
  const then = wire("on_timeout");
  return (
    <>
      <Template label="Question" hint="What a person is asked." wire={wire("message")} />
      <JsonField
        label="Schema of the answer"
        optional
        hint="What is asked for beside yes or no, as JSON Schema."
        {...wire("payload_schema")}
      />
      <WordField
        label="Scope of who may decide"
        optional
        hint="approval.decide if not said"
        {...wire("scope")}
      />
      <div className={twoClass}>
        <SecondsField label="Seconds at most" optional hint="A day if not said" {...wire("timeout_ms")} />
        <SelectField
          label="Without an answer it"
          options={ON_TIMEOUT}
          pointer={then.pointer}
          value={textOf(entry.on_timeout) || "reject"}
          onChange={(it) => then.onChange(it === "reject" ? undefined : it)}
        />
      </div>
    </>
  );
}
