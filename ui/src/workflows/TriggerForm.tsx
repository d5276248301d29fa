import { pointerOf, textOf } from "../graph/entry";
import { Button } from "../kit/Button";
import { ExactFaults, SelectField, twoClass } from "../kit/Field";
import { PickField } from "../kit/PickField";
import { SecretHint, useSecrets } from "../parts/Secrets";
import { Cron } from "./Cron";
import { type ValueProps, WordField } from "./fields";
import { type Trigger, type TriggerType, triggerWords } from "./triggerDraft";
import s from "./Workflows.module.css";

interface Props {
  it: Trigger;
  number: number;
  pointer: string;
  types: readonly (readonly [TriggerType, string])[];
  change: (it: Trigger) => void;
  turn: (type: TriggerType) => void;
  remove: () => void;
}

export interface Part {
  it: Trigger;
  change: (it: Trigger) => void;
  wire: (name: string) => { pointer: string; value: unknown; onChange: (value: unknown) => void };
}

/** One trigger: what begins a run, and with what. */
export function TriggerForm({ it, number, pointer, types, change, turn, remove }: Props) {
  const wire = (name: string) => ({
    pointer: pointerOf(pointer, name),
    value: it[name],
    onChange: (value: unknown) => {
      const { [name]: _, ...others } = it;
      change(value === undefined ? others : { ...it, [name]: value });
    },
  });
  const part = { it, wire, change };
  return (
    <section className={s.trigger} aria-label={`Trigger ${number}`}>
      <header className="row">
        <h2 className="grow cut" dir="auto">
          {triggerWords(it)}
        </h2>
        <Button small look="danger" icon="trash-2" aria-label={`Remove trigger ${number}`} onClick={remove} />
      </header>
      <ExactFaults pointer={pointer} />
      <div className={twoClass}>
        <SelectField
          label="A run is begun by"
          pointer={pointerOf(pointer, "type")}
          options={types}
          value={textOf(it.type)}
          onChange={(type) => turn(type as TriggerType)}
        />
        <WordField label="Id" optional mono hint="Its type, if nothing is said." {...wire("id")} />
      </div>
      {(it.type === "api" || it.type === "webhook") && <Hook {...part} />}
      {it.type === "cron" && <Cron {...part} />}
      {it.type === "event" && (
        <div className={twoClass}>
          <WordField label="Event" required hint="The name that whoever sends it says." {...wire("name")} />
          <WordField label="Key" optional hint="Only events with this key." {...wire("key")} />
        </div>
      )}
    </section>
  );
}

const METHODS = ["POST", "GET", "PUT", "PATCH", "DELETE"] as const;
const SIGNATURES = [
  ["standard", "Standard Webhooks"],
  ["github", "as GitHub does"],
  ["none", "not signed: whoever knows the address"],
] as const;

function Hook({ it, wire, change }: Part) {
  const [method, signature] = [wire("method"), wire("signature")];
  const isSigned = textOf(it.signature) !== "none";
  // What is not signed has no secrets.
  const sign = (next: string) => {
    const { secret: _, previous_secret: __, ...open } = it;
    change(next === "none" ? { ...open, signature: next } : { ...it, signature: next });
  };
  return (
    <>
      <WordField
        label="Path"
        required
        mono
        hint="What comes after /hooks/: letters, digits, _, -, . and ~."
        {...wire("path")}
      />
      {it.type === "api" ? (
        <SelectField
          label="Method"
          pointer={method.pointer}
          options={METHODS.map((word) => [word, word] as const)}
          value={textOf(it.method) || "POST"}
          onChange={method.onChange}
        />
      ) : (
        <div className={twoClass}>
          <SelectField
            label="Signed"
            pointer={signature.pointer}
            options={SIGNATURES}
            value={textOf(it.signature) || "standard"}
            onChange={sign}
          />
        </div>
      )}
      {it.type === "webhook" && isSigned && (
        <div className={twoClass}>
          <SecretField label="Secret" {...wire("secret")} />
          <SecretField label="Secret before" optional {...wire("previous_secret")} />
        </div>
      )}
    </>
  );
}

/** One of the secrets that are kept here. */
function SecretField({ label, optional, pointer, value, onChange }: ValueProps) {
  const secrets = useSecrets();
  return (
    <PickField
      label={label}
      {...(optional && { optional })}
      {...(pointer && { pointer })}
      options={(secrets ?? []).map((it) => it.name)}
      open={secrets === null}
      hint={
        optional ? (
          "As good, while the sender changes to the other."
        ) : (
          <SecretHint>The name of one that is kept here.</SecretHint>
        )
      }
      value={value ? [textOf(value)] : []}
      onChange={(chosen) => onChange(chosen.at(-1))}
    />
  );
}
