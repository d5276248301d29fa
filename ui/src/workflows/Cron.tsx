import { useQuery } from "@tanstack/react-query";
import { useEffect, useId, useState } from "react";
import { type Fault, failureOf } from "../api/problem";
import { textOf } from "../graph/entry";
import { Field, inputClass, SelectField, sentence, TextField, twoClass, useFaults } from "../kit/Field";
import { JsonField } from "./fields";
import { scheduleQuery } from "./queries";
import type { Part } from "./TriggerForm";
import s from "./Workflows.module.css";

const MISSED = [
  ["skip", "is left out"],
  ["once", "is made up for once, however many they were"],
  ["all", "is made up for, each of them"],
] as const;
const ZONES = Intl.supportedValuesOf("timeZone");

/** A schedule, with the times that come of it. */
export function Cron({ it, wire }: Part) {
  const [cron, zone] = [textOf(it.cron), textOf(it.timezone)];
  const [timezone, missed] = [wire("timezone"), wire("missed")];
  const settled = useSettled(`${cron}\n${zone}`);
  const [askedCron = "", askedZone = ""] = settled.split("\n");
  const next = useQuery({ ...scheduleQuery(askedCron, askedZone), enabled: askedCron !== "" });
  const failure = next.isError ? failureOf(next.error) : null;
  const found: readonly Fault[] = failure?.faults ?? [];
  const saved = [useFaults(wire("cron").pointer), useFaults(timezone.pointer)].flat();
  // What was said when it was saved is not said twice.
  const faultAt = (pointer: string) =>
    saved.length > 0 ? undefined : found.find((fault) => fault.pointer === pointer)?.detail;
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
      <Next
        times={next.data?.data ?? []}
        zone={askedZone}
        trouble={failure && found.length === 0 ? failure.title : null}
      />
      <JsonField
        label="Input"
        optional
        rows={3}
        hint="What its runs are given: JSON; {} if nothing is said."
        {...wire("input")}
      />
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
function Next({ times, zone, trouble }: { times: readonly string[]; zone: string; trouble: string | null }) {
  const clock = clockOf(zone);
  return (
    <div className={s.next}>
      <p className="small dim">Next times</p>
      {trouble && <p className="small badtxt">They cannot be told: {sentence(trouble)}</p>}
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
