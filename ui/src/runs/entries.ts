import type { RunEvent } from "../api/types";

/** What an entry waits for. */
export type WaitOf =
  /** It sleeps. */
  | { kind: "timer"; until: string }
  /** It failed, and is begun again then. */
  | { kind: "again"; until: string }
  | { kind: "event"; name: string | null; key: string | null }
  | { kind: "approval"; approvalId: string }
  | { kind: "run"; runId: string };

/** One time that an entry was begun. */
export interface Attempt {
  number: number;
  seq: number;
  startedAt: string;
  /** `null` as long as it goes on. */
  end: { status: string; output: unknown; error: EntryError | null; tookMs: number; seq: number } | null;
}

export interface EntryError {
  kind: string;
  message: string;
}

/** One execution of an entry: in turns of a loop there are many. */
export interface Execution {
  /** Its name in events, such as `each[3].send`. */
  step: string;
  /** The id of the entry: `send`. */
  entry: string;
  /** The turn that it is in, such as `each[3]`; `null` outside of turns. */
  turn: string | null;
  kind: string;
  /** What it names, of an agent, a tool or a workflow. */
  name: string;
  attempts: Attempt[];
  /** What a tool or a person was given; of other entries the log does not say it. */
  input: { value: unknown } | null;
  /** The last run that it began. */
  run: { id: string; kind: string; status: string | null } | null;
  waits: WaitOf | null;
  /** The last approval that it asked for, and what became of it. */
  approval: { id: string; decision: string | null; by: string | null } | null;
  /** Those that are about it: its own, and those of its calls, its timers and its runs. */
  events: RunEvent[];
}

/** What the log of a workflow's run says. */
export interface Executions {
  /** By their names in events, in the order in which they began. */
  all: Map<string, Execution>;
  /** By the ids of their entries. */
  of: Map<string, Execution[]>;
  /** How many turns have begun, by the names of what has them. */
  turns: Map<string, number>;
}

/** The entry and the turn of a name in events. */
export function nameParts(step: string): { entry: string; turn: string | null } {
  const at = step.lastIndexOf(".");
  return at < 0 ? { entry: step, turn: null } : { entry: step.slice(at + 1), turn: step.slice(0, at) };
}

/** The name of an entry in the id of a call or a timer, which says the attempt if it is not the first. */
const ofCall = (id: unknown) => String(id ?? "").split("#")[0] ?? "";

/** What the log says so far, and whose an approval is, and a run below. */
interface Read extends Executions {
  asked: Map<string, Execution>;
  begun: Map<string, Execution>;
}

/**
 * Reads a log as it grows: of one that goes on where the one before ended only what is new. What it gives is another
 * object if something came; what that holds is kept and changed.
 */
export function logReader(): (events: readonly RunEvent[]) => Executions {
  let before: readonly RunEvent[] = [];
  let read = nothingRead();
  return (events) => {
    const goesOn = events[0] === before[0] && events[before.length - 1] === before.at(-1);
    if (!goesOn) read = nothingRead();
    for (let at = goesOn ? before.length : 0; at < events.length; at++) fold(events[at] as RunEvent, read);
    if (events !== before) read = { ...read };
    before = events;
    return read;
  };
}

const nothingRead = (): Read => ({
  all: new Map(),
  of: new Map(),
  turns: new Map(),
  asked: new Map(),
  begun: new Map(),
});

export const executionsOf = (events: readonly RunEvent[]): Executions => logReader()(events);

function fold(event: RunEvent, read: Read) {
  if (event.type === "step.started") stepStarted(event, read);
  const it = ownerOf(event, read);
  it?.events.push(event);
  if (it) tell(it, event, read);
  if (event.type === "run.waiting") waiting(event.data.waiting_for, read.all);
}

/** The execution that an event is about. */
function ownerOf({ type, data }: RunEvent, { all, asked, begun }: Read): Execution | undefined {
  if (type === "child.finished") return begun.get(String(data.run_id));
  if (type === "approval.decided") return asked.get(String(data.approval_id));
  return all.get(textOf(data.step) ?? ofCall(data.call_id ?? data.timer_id));
}

function tell(it: Execution, event: RunEvent, { asked, begun }: Read) {
  const { type, data } = event;
  switch (type) {
    case "step.finished":
      return stepFinished(event, it);
    case "tool.started":
      it.input = { value: data.arguments };
      return;
    case "timer.set": {
      const isOver = it.attempts.at(-1)?.end;
      it.waits = { kind: isOver ? "again" : "timer", until: String(data.until) };
      return;
    }
    case "timer.fired":
    case "event.received":
      it.waits = null;
      return;
    case "child.started": {
      const id = String(data.run_id);
      it.run = { id, kind: String(data.kind), status: null };
      it.waits = { kind: "run", runId: id };
      begun.set(id, it);
      return;
    }
    case "child.finished":
      if (it.run?.id !== data.run_id) return;
      it.run = { ...it.run, status: String(data.status) } as Execution["run"];
      if (it.waits?.kind === "run") it.waits = null;
      return;
    case "approval.requested": {
      const id = String(data.id);
      it.approval = { id, decision: null, by: null };
      it.waits = { kind: "approval", approvalId: id };
      it.input = { value: data.arguments };
      asked.set(id, it);
      return;
    }
    case "approval.decided":
      if (it.approval?.id !== data.approval_id) return;
      it.approval = { id: String(data.approval_id), decision: String(data.decision), by: textOf(data.by) };
      if (it.waits?.kind === "approval") it.waits = null;
      return;
    default:
  }
}

const textOf = (value: unknown) => (typeof value === "string" ? value : null);

function stepStarted({ data, seq, at }: RunEvent, { all, of, turns }: Read) {
  const step = String(data.step);
  const attempt: Attempt = { number: Number(data.attempt ?? 1), seq, startedAt: at, end: null };
  const before = all.get(step);
  if (before) {
    before.attempts.push(attempt);
    before.waits = null;
    return;
  }
  const it: Execution = {
    step,
    ...nameParts(step),
    kind: String(data.kind),
    name: String(data.name),
    attempts: [attempt],
    input: null,
    run: null,
    waits: null,
    approval: null,
    events: [],
  };
  all.set(step, it);
  const others = of.get(it.entry);
  if (others) others.push(it);
  else of.set(it.entry, [it]);
  for (const match of it.turn?.matchAll(TURN) ?? []) {
    const name = it.turn?.slice(0, match.index) ?? "";
    turns.set(name, Math.max(turns.get(name) ?? 0, Number(match[1]) + 1));
  }
}

const TURN = /\[(\d+)\]/g;

function stepFinished({ data, seq }: RunEvent, it: Execution) {
  const attempt = it.attempts.at(-1);
  if (!attempt) return;
  attempt.end = {
    status: String(data.status),
    output: data.output ?? null,
    error: (data.error as EntryError | null | undefined) ?? null,
    tookMs: Number(data.duration_ms ?? 0),
    seq,
  };
  it.waits = null;
}

/** Which event an entry waits for, only the run says, of all of them together: it is known if it is one. */
function waiting(waits: unknown, all: Executions["all"]) {
  const events = (Array.isArray(waits) ? waits : []).filter((it) => it?.kind === "event");
  const [first, other] = events;
  if (!first) return;
  for (const it of all.values()) {
    if (it.kind !== "wait_for_event" || !isOpen(it)) continue;
    it.waits = {
      kind: "event",
      name: other ? null : String(first.name),
      key: other ? null : String(first.key),
    };
  }
}

export const isOpen = (it: Execution) => it.attempts.at(-1)?.end === null;
