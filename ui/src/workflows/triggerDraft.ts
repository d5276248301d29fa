import { isObject, textOf } from "../graph/entry";
import type { Made } from "../parts/reading";
import { noteUnread } from "./draft";

/** Something that begins runs of a workflow, as its definition says it. */
export type Trigger = Readonly<Record<string, unknown>>;

export const TRIGGER_TYPES = ["api", "webhook", "cron", "event"] as const;
export type TriggerType = (typeof TRIGGER_TYPES)[number];

/** The triggers of a definition; it may be one of before there were any. */
export const triggersOf = (it: object): Trigger[] => {
  const { triggers } = it as { triggers?: unknown };
  return Array.isArray(triggers) ? triggers.map((one) => (isObject(one) ? one : {})) : [];
};

/** What begins runs, in a few words. */
export function triggerWords(it: Trigger): string {
  switch (it.type) {
    case "api":
    case "webhook":
      return `${textOf(it.method) || "POST"} /hooks/${textOf(it.path)}`;
    case "cron":
      return it.cron ? `${textOf(it.cron)} in ${textOf(it.timezone) || "UTC"}` : "a schedule";
    case "event":
      return `the event ${textOf(it.name)}`;
    default:
      return textOf(it.type) || "of no type yet";
  }
}

/** The members that a trigger of each type may have, in order. */
const MEMBERS: Readonly<Record<TriggerType, readonly string[]>> = {
  api: ["id", "type", "path", "method"],
  webhook: ["id", "type", "path", "signature", "secret", "previous_secret"],
  cron: ["id", "type", "cron", "timezone", "missed", "input"],
  event: ["id", "type", "name", "key"],
};

/** What a new one begins as. */
export function newTrigger(type: TriggerType): Trigger {
  const members: Record<TriggerType, Trigger> = {
    api: { path: "", method: "POST" },
    webhook: { path: "", signature: "standard", secret: "" },
    cron: { cron: "0 9 * * 1-5", timezone: "UTC", missed: "skip" },
    event: { name: "" },
  };
  return { type, ...members[type] };
}

/** The same as one of another type: what both have stays. */
export function asType(it: Trigger, type: TriggerType): Trigger {
  const kept = Object.entries(it).filter(([name]) => name !== "type" && MEMBERS[type].includes(name));
  return { ...newTrigger(type), ...Object.fromEntries(kept) };
}

/** The triggers of a definition as they are edited. */
export interface TriggersDraft {
  triggers: readonly Trigger[];
}
export interface TriggersBody {
  triggers: readonly Trigger[];
}

export const triggersDraft = (body: TriggersBody): TriggersDraft => ({ triggers: triggersOf(body) });

/** What is sent, or which fields cannot be read, by their pointers. */
export function triggersBody({ triggers }: TriggersDraft): Made<TriggersBody> {
  const errors: Record<string, string> = {};
  noteUnread(triggers, "/triggers", errors);
  return Object.keys(errors).length > 0 ? { errors } : { body: { triggers } };
}
