import { type Entry, idOf, isObject, partsOf, textOf } from "../graph/entry";
import type { EntryState, States } from "../graph/state";
import { clock, duration, plural } from "../kit/format";
import { type Execution, type Executions, isOpen } from "./entries";

type Status = EntryState["status"];

/** What holds for all entries of a run. */
interface Known extends Pick<Executions, "of" | "turns"> {
  isOver: boolean;
  now: Date;
  states: Record<string, EntryState>;
}

/**
 * How far each entry is, by its id. What is to come has no state; `isOver`: the run is, and what has not begun will not.
 * In turns the newest that happens counts: what runs, what waits, what failed.
 */
export function statesOf(
  steps: readonly Entry[],
  { of, turns }: Executions,
  isOver: boolean,
  now: Date,
): Record<string, EntryState> {
  const states: Record<string, EntryState> = {};
  walk(steps, isOver, { of, turns, isOver, now, states });
  return states;
}

/** The next states, of which those that say the same as before are the same: only what changed is drawn again. */
export function keptStates(before: States, next: States): States {
  const kept = Object.entries(next).map(([id, it]) => [id, same(before[id], it) ? before[id] : it] as const);
  const isSame = kept.length === Object.keys(before).length && kept.every(([id, it]) => it === before[id]);
  return isSame ? before : (Object.fromEntries(kept) as States);
}

const same = (a: EntryState | undefined, b: EntryState) =>
  a?.status === b.status && a.turns === b.turns && a.detail === b.detail;

/** `isGone`: what has not begun here will not. Whether anything here has begun. */
function walk(entries: readonly Entry[], isGone: boolean, known: Known): boolean {
  let hasBegun = false;
  for (const entry of entries) {
    const own = known.of.get(idOf(entry)) ?? [];
    hasBegun ||= own.length > 0;
    const isOver = isGone || (own.length > 0 && own.every((it) => !isGoingOn(it)));
    const taken = within(entry, isOver, known);
    // It comes at the end, whatever it is in: unless the run is over, or what it makes up for will not be.
    if (isObject(entry.compensate))
      walk([entry.compensate], known.isOver || (isGone && own.length === 0), known);
    const around = { ...known, isOver: isGone };
    const state = own.length > 0 ? stateOf(entry, own, taken, around) : isGone ? SKIPPED : undefined;
    if (state) known.states[idOf(entry)] = state;
  }
  return hasBegun;
}

const SKIPPED: EntryState = { status: "skipped" };

/** Looks at the lists within an entry. The name of the part of it that was taken, if it takes one. */
function within(entry: Entry, isOver: boolean, known: Known): string | null {
  const parts = partsOf(entry) ?? [];
  const begun = parts.filter((part) => walk(part.entries, isOver, known));
  if (entry.type !== "conditional" || begun.length === 0) return null;
  // One part is taken at a time: the others are not to come. In turns another may have been taken before.
  if (begun.length === 1) for (const part of parts) if (part !== begun[0]) walk(part.entries, true, known);
  return begun.length === 1 ? (begun[0]?.name ?? null) : null;
}

/** It is open, or will be begun again. */
const isGoingOn = (it: Execution) => isOpen(it) || it.waits?.kind === "again";

function stateOf(entry: Entry, own: readonly Execution[], taken: string | null, known: Known): EntryState {
  const first = own[0];
  const statuses = own.map((it) => statusOf(it, entry, known));
  const status = ORDER.find((it) => statuses.includes(it)) ?? "done";
  const shown = own[statuses.lastIndexOf(status)] ?? first;
  const turns = first?.turn === null ? known.turns.get(first.step) : own.length;
  // How long one of many turns took says nothing of the others.
  const isOne = own.length === 1 || status !== "done";
  const detail = shown && isOne ? detailOf(entry, shown, taken, known) : null;
  return { status, ...(turns !== undefined && { turns }), ...(detail && { detail }) };
}

/** Of several executions the first of these that one has. */
const ORDER: readonly Status[] = ["running", "waiting", "failed", "canceled", "done"];

function statusOf(it: Execution, entry: Entry, known: Known): Status {
  if (isGoingOn(it)) {
    if (known.isOver) return "canceled";
    if (it.waits && it.waits.kind !== "run") return "waiting";
    return onlyWaits(entry, known) ? "waiting" : "running";
  }
  const end = it.attempts.at(-1)?.end;
  if (end?.status !== "failed") return "done";
  return end.error?.kind === "canceled" ? "canceled" : "failed";
}

/** Whether all that is open within an entry waits. */
function onlyWaits(entry: Entry, known: Known): boolean {
  const inner = (partsOf(entry) ?? []).flatMap((part) => part.entries.map((it) => known.states[idOf(it)]));
  const statuses = inner.map((it) => it?.status);
  return statuses.includes("waiting") && !statuses.includes("running");
}

function detailOf(entry: Entry, it: Execution, taken: string | null, known: Known): string | null {
  if (isGoingOn(it) && !known.isOver && it.waits) return waitWords(it, entry, known.now);
  if (taken !== null) return taken;
  const end = it.attempts.at(-1)?.end;
  if (!end) return null;
  const tries = it.attempts.length > 1 ? `, ${plural(it.attempts.length, "attempt")}` : "";
  return duration(end.tookMs) + tries;
}

/** What an execution waits for, in a few words. */
export function waitWords({ waits }: Execution, entry: Entry, now: Date): string | null {
  switch (waits?.kind) {
    case "timer":
      return `wakes at ${clock(new Date(waits.until), now)}`;
    case "again":
      return `again at ${clock(new Date(waits.until), now)}`;
    case "event":
      return `waits for ${textOf(entry.event) || waits.name || "an event"}`;
    case "approval":
      return "asks a person";
    default:
      return null;
  }
}

/**
 * Entries as the log tells of them, one after the other: for who may not read the definition. Those within others stand
 * beside them.
 */
export const entriesSeen = ({ of }: Executions): Entry[] =>
  [...of].map(([id, [it]]) => {
    const isNamed = ["agent", "tool", "workflow"].includes(it?.kind ?? "");
    return { id, type: it?.kind, ...(it && isNamed && { [it.kind]: it.name }) };
  });
