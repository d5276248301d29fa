import type { RunEvent } from "../api/types";
import { duration, plural, tokens } from "../kit/format";
import type { Kind } from "../kit/Marks";

/** With which mark an event stands on the rail. */
export function kindOf(event: RunEvent): Kind {
  const [what] = event.type.split(".");
  switch (what) {
    case "model":
    case "text":
    case "reasoning":
      return "model";
    case "tool":
      return "tool";
    case "retrieval":
      return "retrieval";
    case "approval":
      return "approval";
    case "child":
      return "agent";
    case "timer":
    case "event":
      return "wait";
    default:
      return event.type === "run.waiting" ? "wait" : "step";
  }
}

const text = (value: unknown) => (typeof value === "string" ? value : "");
const number = (value: unknown) => (typeof value === "number" ? value : null);

/** The facts of an event in a few words. What is not known is left out: readers ignore what they do not know. */
export function factsOf({ type, data }: RunEvent): string {
  const took = number(data.duration_ms);
  const usage = data.usage as { input_tokens?: number; output_tokens?: number } | null | undefined;
  const used =
    usage?.input_tokens === undefined
      ? ""
      : `${tokens(usage.input_tokens)} in, ${tokens(usage.output_tokens ?? 0)} out`;
  const error = (data.error as { message?: string } | null | undefined)?.message ?? "";
  const facts: Record<string, (string | null)[]> = {
    "run.started": [text((data.definition as { name?: string } | undefined)?.name)],
    "run.waiting": [text(data.status)],
    "run.resumed": [text(data.reason)],
    "run.cancel_requested": [text(data.by), text(data.reason)],
    "run.finished": [text(data.status), error, used],
    "step.started": [text(data.kind), stepWords(data), attempt(data)],
    "step.finished": [/^\d*$/.test(text(data.step)) ? "" : text(data.step), text(data.status), error],
    "timer.set": [text(data.step), text(data.until)],
    "timer.fired": [text(data.timer_id)],
    "event.received": [text(data.step), text(data.name), text(data.key)],
    "model.started": [text(data.model), attempt(data)],
    "model.finished": [text(data.model), text(data.finish_reason), used],
    "model.failed": [text(data.model), error],
    "tool.started": [text(data.tool), text(data.effect)],
    "tool.progress": [text(data.message)],
    "tool.finished": [text(data.status), error],
    "approval.requested": [
      text((data.tool as { name?: string } | undefined)?.name),
      data.kind === "step" ? text(data.message) : "",
    ],
    "approval.decided": [text(data.decision), text(data.by)],
    "retrieval.finished": [
      text(data.query),
      Array.isArray(data.citations) ? plural(data.citations.length, "passage") : "",
    ],
    "memory.read": [count(data.messages, "message")],
    "memory.written": [count(data.message_ids, "message")],
    "child.started": [text(data.name)],
    "child.finished": [text(data.status)],
    "limit.reached": [text(data.limit), text(data.owner)],
    log: [text(data.level), text(data.message)],
  };
  const all = [...(facts[type] ?? []), took === null ? "" : duration(took)];
  return all.filter(Boolean).join(" · ");
}

const attempt = ({ attempt }: RunEvent["data"]) => ((number(attempt) ?? 1) > 1 ? `attempt ${attempt}` : "");

/** An entry has a name of its own beside that of what it calls; a turn has a number. */
function stepWords({ step, name }: RunEvent["data"]): string {
  const [own, called] = [text(step), text(name)];
  return /^\d*$/.test(own) || own === called || called === "" ? called || own : `${own}, ${called}`;
}

function count(value: unknown, what: string): string {
  const n = Array.isArray(value) ? value.length : number(value);
  return n === null ? "" : plural(n, what);
}

/** Whether a person is asked: the run itself may go on beside that. */
export function isAsking(events: readonly RunEvent[]): boolean {
  let open = 0;
  for (const { type } of events) {
    if (type === "approval.requested") open++;
    if (type === "approval.decided") open--;
  }
  return open > 0;
}

/** The events that are about one call: of a model, of a tool, of a search. */
export function eventsOfCall(events: readonly RunEvent[], seq: number): RunEvent[] {
  const first = events.find((it) => it.seq === seq);
  const call = first?.data.call_id;
  if (first && call === undefined) {
    const step = first.data.step;
    return step === undefined ? [first] : events.filter((it) => it.data.step === step);
  }
  return events.filter((it) => it.data.call_id === call && call !== undefined);
}
