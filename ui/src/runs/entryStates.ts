import { type Entry, idOf, isObject, partsOf, textOf } from "../graph/entry";
import type { EntryState } from "../graph/Graph";
import { clock, duration, plural } from "../kit/format";
import { type Execution, isOpen } from "./entries";

type Status = EntryState["status"];

/** What holds for all entries of a run. */
interface Known {
  of: ReadonlyMap<string, readonly Execution[]>;
  /** How many turns have begun, by the names of what has them. */
  turns: ReadonlyMap<string, number>;
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
  executions: ReadonlyMap<string, Execution>,
  isOver: boolean,
  now: Date,
): Record<string, EntryState> {
  const states: Record<string, EntryState> = {};
  const known = { of: byEntry(executions), turns: turnsOf(executions), isOver, now, states };
  walk(steps, isOver, known);
  return states;
}

/** The executions of each entry, in the order in which they began. */
export function byEntry(executions: ReadonlyMap<string, Execution>): Map<string, Execution[]> {
  const all = new Map<string, Execution[]>();
  for (const it of executions.values()) {
    const before = all.get(it.entry);
    if (before) before.push(it);
    else all.set(it.entry, [it]);
  }
  return all;
}

const TURN = /\[(\d+)\]/g;

function turnsOf(executions: ReadonlyMap<string, Execution>): Map<string, number> {
  const turns = new Map<string, number>();
  for (const { turn } of executions.values()) {
    for (const match of turn?.matchAll(TURN) ?? []) {
      const name = turn?.slice(0, match.index) ?? "";
      turns.set(name, Math.max(turns.get(name) ?? 0, Number(match[1]) + 1));
    }
  }
  return turns;
}

/** `isGone`: what has not begun here will not. Whether anything here has begun. */
function walk(entries: readonly Entry[], isGone: boolean, known: Known): boolean {
  let hasBegun = false;
  for (const entry of entries) {
    const own = known.of.get(idOf(entry)) ?? [];
    hasBegun ||= own.length > 0;
    const isOver = isGone || (own.length > 0 && own.every((it) => !isGoingOn(it)));
    const taken = within(entry, isOver, known);
    if (isObject(entry.compensate)) walk([entry.compensate], false, known);
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
export function entriesSeen(executions: ReadonlyMap<string, Execution>): Entry[] {
  const seen = new Map<string, Entry>();
  for (const it of executions.values()) {
    if (seen.has(it.entry)) continue;
    const isNamed = ["agent", "tool", "workflow"].includes(it.kind);
    seen.set(it.entry, { id: it.entry, type: it.kind, ...(isNamed && { [it.kind]: it.name }) });
  }
  return [...seen.values()];
}
