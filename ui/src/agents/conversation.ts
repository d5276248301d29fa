import type { Approval, Citation, Part, RunEvent, Usage } from "../api/types";
import {
  began,
  type Call,
  callOf,
  ended,
  grow,
  patch,
  put,
  said,
  type Turn,
  text,
  userItem,
  withoutAttempt,
  withoutOpen,
} from "./turn";

export const isAtWork = (turn: Turn | undefined) =>
  turn !== undefined && ["queued", "running", "waiting", "suspended"].includes(turn.status);

/** The turn with more events in it. Those that it has already change nothing; those that are not known are passed on. */
export const withEvents = (turn: Turn, events: readonly RunEvent[]): Turn => events.reduce(withEvent, turn);

function withEvent(turn: Turn, { type, seq, at, data }: RunEvent): Turn {
  const time = Date.parse(at);
  const callId = text(data.call_id);
  switch (type) {
    case "run.started": {
      return { ...put(turn, userItem(seq, data.input)), status: "running", startedAt: time };
    }
    case "run.waiting":
      return { ...turn, status: text(data.status) || "waiting" };
    case "run.resumed":
      return { ...turn, status: "running" };
    case "step.started":
      return { ...turn, status: "running", steps: turn.steps + 1 };
    case "model.started":
      return began(withoutAttempt(turn, text(data.step), callId), {
        key: callId,
        kind: "model",
        name: text(data.model),
        from: time,
        to: null,
      });
    case "text.delta":
    case "reasoning.delta": {
      const grown = grow(
        turn,
        type === "text.delta" ? "text" : "thought",
        `${callId}-${data.part}`,
        seq,
        data,
      );
      const first = turn.firstTextMs ?? (turn.startedAt === null ? null : time - turn.startedAt);
      return type === "text.delta" ? { ...grown, firstTextMs: first } : grown;
    }
    case "model.finished": {
      const content = (data.message as { content?: unknown } | undefined)?.content;
      const whole = Array.isArray(content) ? (content as Part[]) : null;
      const next = said(ended(turn, callId, time), callId, seq, whole);
      // What comes word by word is told a little later than it was said.
      const most = turn.startedAt === null ? Infinity : time - turn.startedAt;
      return { ...next, firstTextMs: next.firstTextMs === null ? null : Math.min(next.firstTextMs, most) };
    }
    case "model.failed": {
      const failed = ended(withoutOpen(turn), callId, time);
      const again = typeof data.retry_in_ms === "number" ? " It is asked again." : "";
      const message =
        text((data.error as { message?: string } | null)?.message) || "The model did not answer";
      return put(failed, {
        key: `${callId}-failed-${seq}`,
        seq,
        kind: "trouble",
        text: `${message}.${again}`,
      });
    }
    case "tool.started": {
      const call = {
        ...callOf(turn, callId),
        tool: text(data.tool),
        arguments: data.arguments,
        status: "running",
        effect: text(data.effect) || null,
      } as Call;
      const kind = call.tool.startsWith("search_")
        ? "retrieval"
        : call.tool.startsWith("ask_")
          ? "agent"
          : "tool";
      return began(put(turn, { key: callId, seq, kind: "call", call }), {
        key: callId,
        kind,
        name: call.tool,
        from: time,
        to: null,
      });
    }
    case "tool.progress":
      return patch(turn, callId, { progress: text(data.message) || null });
    case "tool.finished": {
      const status = (text(data.status) || "done") as Call["status"];
      const error = data.error as { message?: string } | null | undefined;
      const took = typeof data.duration_ms === "number" ? data.duration_ms : null;
      return patch(ended(turn, callId, time), callId, {
        status,
        result: error ?? data.result,
        tookMs: took,
        progress: null,
      });
    }
    case "retrieval.finished":
      return patch(turn, callId, { passages: (data.citations as Citation[] | undefined) ?? [] });
    case "child.started":
      return callId ? patch(turn, callId, { childId: text(data.run_id) || null }) : turn;
    case "approval.requested": {
      const approval = data as unknown as Approval;
      const waiting = callId ? patch(turn, callId, { status: "waiting" }) : turn;
      const asked = put(waiting, { key: `approval-${approval.id}`, seq, kind: "approval", approval });
      return began(asked, {
        key: `approval-${approval.id}`,
        kind: "wait",
        name: approval.tool?.name ?? "",
        from: time,
        to: null,
      });
    }
    case "approval.decided": {
      const key = `approval-${text(data.approval_id)}`;
      const status = data.decision === "reject" ? "rejected" : "approved";
      const decided = turn.items.map((it) =>
        it.key === key && it.kind === "approval"
          ? {
              ...it,
              approval: {
                ...it.approval,
                status,
                decided_by: text(data.by) || null,
                decided_at: at,
                reason: text(data.reason) || null,
              } as Approval,
            }
          : it,
      );
      return ended({ ...turn, items: decided }, key, time);
    }
    case "run.finished": {
      const output = data.output as { text?: string; citations?: Citation[] } | null | undefined;
      const error = text((data.error as { message?: string } | null)?.message);
      const over = {
        ...withoutOpen(turn),
        stretches: turn.stretches.map((it) => ({ ...it, to: it.to ?? time })),
      };
      return {
        ...over,
        status: text(data.status) || "succeeded",
        citations: Array.isArray(output?.citations) ? output.citations : [],
        error: error || null,
        usage: (data.usage as Usage | undefined) ?? null,
        endedAt: time,
      };
    }
    default:
      return turn;
  }
}
