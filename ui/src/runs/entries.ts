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
}

/** The entry and the turn of a name in events. */
export function nameParts(step: string): { entry: string; turn: string | null } {
  const at = step.lastIndexOf(".");
  return at < 0 ? { entry: step, turn: null } : { entry: step.slice(at + 1), turn: step.slice(0, at) };
}

/** The name of an entry in the id of a call or a timer, which says the attempt if it is not the first. */
const ofCall = (id: unknown) => String(id ?? "").split("#")[0] ?? "";

/** All executions of entries by their names, in the order in which they began: what the log of a workflow's run says. */
export function executionsOf(events: readonly RunEvent[]): Map<string, Execution> {
  const all = new Map<string, Execution>();
  const asked = new Map<string, Execution>();
  const begun = new Map<string, Execution>();
  for (const event of events) fold(event, all, asked, begun);
  return all;
}

type ByName = Map<string, Execution>;

/** `asked` and `begun`: whose an approval is, and a run below. */
function fold(event: RunEvent, all: ByName, asked: ByName, begun: ByName) {
  const { type, data } = event;
  switch (type) {
    case "step.started":
      return stepStarted(event, all);
    case "step.finished":
      return stepFinished(event, all.get(String(data.step)));
    case "tool.started": {
      const it = all.get(String(data.step));
      if (it) it.input = { value: data.arguments };
      return;
    }
    case "timer.set": {
      const it = all.get(String(data.step));
      if (!it) return;
      const isOver = it.attempts.at(-1)?.end;
      it.waits = { kind: isOver ? "again" : "timer", until: String(data.until) };
      return;
    }
    case "timer.fired":
    case "event.received": {
      const it = all.get(type === "timer.fired" ? ofCall(data.timer_id) : String(data.step));
      if (it) it.waits = null;
      return;
    }
    case "child.started": {
      const it = all.get(ofCall(data.call_id));
      if (!it) return;
      const id = String(data.run_id);
      it.run = { id, kind: String(data.kind), status: null };
      it.waits = { kind: "run", runId: id };
      begun.set(id, it);
      return;
    }
    case "child.finished": {
      const it = begun.get(String(data.run_id));
      if (!it?.run || it.run.id !== data.run_id) return;
      it.run = { ...it.run, status: String(data.status) };
      if (it.waits?.kind === "run") it.waits = null;
      return;
    }
    case "approval.requested": {
      const it = all.get(String(data.step));
      if (!it) return;
      const id = String(data.id);
      it.approval = { id, decision: null, by: null };
      it.waits = { kind: "approval", approvalId: id };
      it.input = { value: data.arguments };
      asked.set(id, it);
      return;
    }
    case "approval.decided": {
      const it = asked.get(String(data.approval_id));
      if (!it?.approval || it.approval.id !== data.approval_id) return;
      it.approval = { ...it.approval, decision: String(data.decision), by: textOf(data.by) };
      if (it.waits?.kind === "approval") it.waits = null;
      return;
    }
    case "run.waiting":
      return waiting(data.waiting_for, all);
    default:
  }
}

const textOf = (value: unknown) => (typeof value === "string" ? value : null);

function stepStarted({ data, seq, at }: RunEvent, all: ByName) {
  const step = String(data.step);
  const attempt: Attempt = { number: Number(data.attempt ?? 1), seq, startedAt: at, end: null };
  const before = all.get(step);
  if (before) {
    before.attempts.push(attempt);
    before.waits = null;
    return;
  }
  all.set(step, {
    step,
    ...nameParts(step),
    kind: String(data.kind),
    name: String(data.name),
    attempts: [attempt],
    input: null,
    run: null,
    waits: null,
    approval: null,
  });
}

function stepFinished({ data, seq }: RunEvent, it: Execution | undefined) {
  const attempt = it?.attempts.at(-1);
  if (!it || !attempt) return;
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
function waiting(waits: unknown, all: ByName) {
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

/** The events that are about one execution: its own, and those of its calls, its timers and its runs. */
export function eventsOfStep(events: readonly RunEvent[], step: string): RunEvent[] {
  const own = new Set<unknown>();
  return events.filter(({ type, data }) => {
    const isOwn =
      data.step === step ||
      ofCall(data.call_id) === step ||
      ofCall(data.timer_id) === step ||
      (type === "child.finished" && own.has(data.run_id)) ||
      (type === "approval.decided" && own.has(data.approval_id));
    if (isOwn) own.add(type === "approval.requested" ? data.id : data.run_id);
    return isOwn;
  });
}
