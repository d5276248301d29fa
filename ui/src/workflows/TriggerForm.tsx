import { useQuery } from "@tanstack/react-query";
import { useEffect, useId, useState } from "react";
import { PATH } from "../api/client";
import { failureOf } from "../api/problem";
import { pointerOf, textOf } from "../graph/entry";
import { Button, Copy } from "../kit/Button";
import { Field, inputClass, SelectField, TextField, twoClass } from "../kit/Field";
import { PickField } from "../kit/PickField";
import { SecretHint, useSecrets } from "../parts/Secrets";
import { JsonField, WordField } from "./fields";
import { scheduleQuery } from "./queries";
import { type Trigger, type TriggerType, triggerWords } from "./triggerDraft";
import { ValueField } from "./ValueField";
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

interface Part {
  it: Trigger;
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
  const part = { it, wire };
  return (
    <section className={s.trigger} aria-label={`Trigger ${number}`}>
      <header className="row">
        <h2 className="grow cut" dir="auto">
          {triggerWords(it)}
        </h2>
        <Button small look="danger" icon="trash-2" aria-label={`Remove trigger ${number}`} onClick={remove} />
      </header>
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
      {it.type === "cron" ? (
        <JsonField label="Input" optional rows={3} hint="What the run is given: JSON." {...wire("input")} />
      ) : (
        <ValueField
          label="Input"
          optional
          hint="What was sent, if nothing is said."
          modes={["none", "members", "json"]}
          {...wire("input")}
        />
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

function Hook({ it, wire }: Part) {
  const path = textOf(it.path);
  const url = `${location.origin}${PATH}/hooks/${path}`;
  const [method, signature, secret] = [wire("method"), wire("signature"), wire("secret")];
  const secrets = useSecrets();
  const isSigned = textOf(it.signature) !== "none";
  return (
    <>
      <WordField label="Path" required mono hint="What comes after /hooks/" {...wire("path")} />
      {path && (
        <p className="row small">
          <code className="cut">{url}</code>
          <Copy text={url} what="address" />
        </p>
      )}
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
            onChange={(next) => {
              signature.onChange(next);
            }}
          />
          {isSigned && (
            <PickField
              label="Secret"
              pointer={secret.pointer}
              options={(secrets ?? []).map((one) => one.name)}
              open={secrets === null}
              hint={<SecretHint>The name of one that is kept here.</SecretHint>}
              value={it.secret ? [textOf(it.secret)] : []}
              onChange={(chosen) => secret.onChange(chosen.at(-1) ?? "")}
            />
          )}
        </div>
      )}
    </>
  );
}

const MISSED = [
  ["skip", "is left out"],
  ["once", "is made up for once, however many they were"],
  ["all", "is made up for, each of them"],
] as const;
const ZONES = Intl.supportedValuesOf("timeZone");

function Cron({ it, wire }: Part) {
  const [cron, zone] = [textOf(it.cron), textOf(it.timezone)];
  const [timezone, missed] = [wire("timezone"), wire("missed")];
  const settled = useSettled(`${cron}\n${zone}`);
  const [askedCron = "", askedZone = ""] = settled.split("\n");
  const next = useQuery({ ...scheduleQuery(askedCron, askedZone), enabled: askedCron !== "" });
  const faults = next.isError ? failureOf(next.error).faults : [];
  const faultAt = (pointer: string) => faults.find((fault) => fault.pointer === pointer)?.detail;
  const zones = useId();
  return (
    <>
      <div className={twoClass}>
        <TextField
          label="Schedule"
          mono
          required
          hint="Minute, hour, day, month, day of the week; or @daily"
          pointer={wire("cron").pointer}
          error={faultAt("/cron")}
          value={cron}
          onChange={wire("cron").onChange}
        />
        <Field
          label="Time zone"
          hint="Of the IANA database; UTC if nothing is said."
          pointer={timezone.pointer}
          error={faultAt("/timezone")}
        >
          {(wiring) => (
            <>
              <input
                {...wiring}
                className={inputClass}
                list={zones}
                autoComplete="off"
                value={zone}
                onChange={(event) => timezone.onChange(event.target.value || undefined)}
              />
              <datalist id={zones}>
                {ZONES.map((name) => (
                  <option key={name} value={name} />
                ))}
              </datalist>
            </>
          )}
        </Field>
      </div>
      <Next times={next.data?.data ?? []} zone={askedZone} />
      <SelectField
        label="A time that was missed"
        pointer={missed.pointer}
        options={MISSED}
        value={textOf(it.missed) || "skip"}
        onChange={missed.onChange}
      />
    </>
  );
}

/** When it would happen, by the clock of its zone. */
function Next({ times, zone }: { times: readonly string[]; zone: string }) {
  const clock = clockOf(zone);
  return (
    <div className={s.next}>
      <p className="small dim">Next times</p>
      <ol aria-label="Next times">
        {times.map((at) => (
          <li key={at} className="tnum small">
            <time dateTime={at}>{clock.format(new Date(at))}</time>
          </li>
        ))}
      </ol>
    </div>
  );
}

function clockOf(zone: string) {
  const look = { dateStyle: "full", timeStyle: "short" } as const;
  try {
    return new Intl.DateTimeFormat("en-GB", { ...look, ...(zone && { timeZone: zone }) });
  } catch {
    return new Intl.DateTimeFormat("en-GB", { ...look, timeZone: "UTC" });
  }
}

/** What is typed, as soon as nothing more is for a moment. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), 300);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
