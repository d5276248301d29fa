import type { Approval, Citation, Part, ThreadMessage, Usage } from "../api/types";
import { imagesOf } from "./images";

// A turn of a conversation, and the ways in which one changes. What happens to it is read in `conversation.ts`.

/** A call of a tool, and what came of it. */
export interface Call {
  tool: string;
  arguments: unknown;
  status: "asked" | "waiting" | "running" | "done" | "failed" | "rejected" | "unknown";
  result: unknown;
  tookMs: number | null;
  progress: string | null;
  effect: string | null;
  /** Of a search: what it found. */
  passages: Citation[] | null;
  /** The run of another agent that it is. */
  childId: string | null;
}

/** Something that was said or done. `key` names it within its turn; `seq` is the event that it began with. */
export type Item = { key: string; seq: number | null } & (
  | { kind: "user"; text: string; images?: string[] }
  | { kind: "text"; text: string; points: number; isOpen: boolean }
  | { kind: "thought"; text: string; points: number; isOpen: boolean }
  | { kind: "call"; call: Call }
  | { kind: "approval"; approval: Approval }
  | { kind: "trouble"; text: string }
);

/** How long something of the run took, for the small waterfall. */
export interface Stretch {
  key: string;
  kind: "model" | "tool" | "retrieval" | "agent" | "wait";
  name: string;
  from: number;
  to: number | null;
}

/** One run, as a part of a conversation. */
export interface Turn {
  runId: string | null;
  status: string;
  items: Item[];
  citations: Citation[];
  error: string | null;
  usage: Usage | null;
  steps: number;
  stretches: Stretch[];
  firstTextMs: number | null;
  startedAt: number | null;
  endedAt: number | null;
}

export const emptyTurn = (runId: string | null, said?: unknown): Turn => ({
  runId,
  status: "queued",
  items: said === undefined ? [] : [userItem(null, said)],
  citations: [],
  error: null,
  usage: null,
  steps: 0,
  stretches: [],
  firstTextMs: null,
  startedAt: null,
  endedAt: null,
});

/** What was said, with the images that stand in it. */
export function userItem(seq: number | null, input: unknown): Item {
  const images = imagesOf(input);
  return { key: "user", seq, kind: "user", text: wordsOf(input), ...(images.length > 0 && { images }) };
}

/** A text, or the beginning of one that was too long for its event and is kept apart; of anything else none. */
export function text(value: unknown): string {
  if (typeof value === "string") return value;
  const note = value as { truncated?: unknown; preview?: unknown } | null | undefined;
  return note?.truncated === true && typeof note.preview === "string" ? `${note.preview}…` : "";
}

/** What a caller said, in one text. */
export function wordsOf(input: unknown): string {
  const said = text(input);
  if (said || typeof input === "string") return said;
  if (Array.isArray(input))
    return input
      .map((it) => text((it as { text?: string }).text))
      .filter(Boolean)
      .join("\n");
  const messages = (input as { messages?: { content: unknown }[] } | null)?.messages;
  return messages ? wordsOf(messages.at(-1)?.content) : JSON.stringify(input ?? "");
}

/** Puts an item in, or in place of that of its key. */
export function put(turn: Turn, item: Item): Turn {
  const at = turn.items.findIndex((it) => it.key === item.key);
  return { ...turn, items: at < 0 ? [...turn.items, item] : turn.items.with(at, item) };
}

/** Lets a text grow. What comes again after the connection was lost stands where it stood. */
export function grow(
  turn: Turn,
  kind: "text" | "thought",
  key: string,
  seq: number,
  data: Record<string, unknown>,
): Turn {
  const found = turn.items.find((it) => it.key === key);
  const before =
    found && (found.kind === "text" || found.kind === "thought") ? found : { text: "", points: 0 };
  const offset = typeof data.offset === "number" ? data.offset : before.points;
  const more = text(data.text);
  const kept = offset >= before.points ? before.text : [...before.text].slice(0, offset).join("");
  const points = Math.min(offset, before.points) + [...more].length;
  return put(turn, { key, seq: found?.seq ?? seq, kind, text: kept + more, points, isOpen: true });
}

/** What a model call came to: its whole message in place of what grew. `null`: that is too long for its event, so what grew is it. */
export function said(turn: Turn, callId: string, seq: number, content: readonly Part[] | null): Turn {
  const opened = turn.items.filter((it) => it.key.startsWith(`${callId}-`));
  if (content === null) {
    const closed = (it: Item) => (opened.includes(it) && "isOpen" in it ? { ...it, isOpen: false } : it);
    return { ...turn, items: turn.items.map(closed) };
  }
  let next = { ...turn, items: turn.items.filter((it) => !opened.includes(it)) };
  content.forEach((part, at) => {
    const key = `${callId}-${at}`;
    const before = opened.find((it) => it.key === key);
    const whole = (given: unknown) => {
      const grown = before && "isOpen" in before ? before.text : "";
      const all = typeof given === "string" ? given : grown || text(given);
      return { key, seq: before?.seq ?? seq, text: all, points: [...all].length, isOpen: false };
    };
    if (part.type === "text" && part.text) next = put(next, { ...whole(part.text), kind: "text" });
    if (part.type === "reasoning" && part.text) next = put(next, { ...whole(part.text), kind: "thought" });
    if (part.type === "tool_call") {
      const call: Call = { ...callOf(next, part.call_id), tool: part.tool, arguments: part.arguments };
      next = put(next, { key: part.call_id, seq, kind: "call", call });
    }
  });
  return next;
}

const NEW_CALL: Call = {
  tool: "",
  arguments: {},
  status: "asked",
  result: null,
  tookMs: null,
  progress: null,
  effect: null,
  passages: null,
  childId: null,
};

export function callOf(turn: Turn, key: string): Call {
  const found = turn.items.find((it) => it.key === key);
  return found?.kind === "call" ? found.call : NEW_CALL;
}

export function patch(turn: Turn, key: string, change: Partial<Call>): Turn {
  return {
    ...turn,
    items: turn.items.map((it) =>
      it.key === key && it.kind === "call" ? { ...it, call: { ...it.call, ...change } } : it,
    ),
  };
}

/** A model call that is begun again: what the one before said is void. */
export const withoutAttempt = (turn: Turn, step: string, callId: string) =>
  step && callId ? withoutOpen(turn) : turn;

export const withoutOpen = (turn: Turn): Turn => ({
  ...turn,
  items: turn.items.filter((it) => !((it.kind === "text" || it.kind === "thought") && it.isOpen)),
});

export const began = (turn: Turn, stretch: Stretch): Turn =>
  turn.stretches.some((it) => it.key === stretch.key && it.from === stretch.from)
    ? turn
    : { ...turn, stretches: [...turn.stretches, stretch] };

export const ended = (turn: Turn, key: string, to: number): Turn => ({
  ...turn,
  stretches: turn.stretches.map((it) => (it.key === key && it.to === null ? { ...it, to } : it)),
});

/** The turns of a thread, by what is kept of it. */
export function turnsOf(messages: readonly ThreadMessage[]): Turn[] {
  const turns: Turn[] = [];
  for (const message of messages) {
    const runId = message.run_id ?? null;
    let turn = turns.at(-1);
    if (!turn || turn.runId !== runId || (runId === null && message.role === "user")) {
      turn = { ...emptyTurn(runId), status: "succeeded" };
      turns.push(turn);
    }
    addMessage(turn, message);
  }
  return turns;
}

function addMessage(turn: Turn, { id, role, content }: ThreadMessage) {
  content.forEach((part, at) => {
    const key = `${id}-${at}`;
    if (part.type === "text" && part.text) {
      const item = { key, seq: null, text: part.text, points: 0, isOpen: false };
      turn.items.push(
        role === "user" ? { key, seq: null, kind: "user", text: part.text } : { ...item, kind: "text" },
      );
      const citations = (part.citations ?? []) as Citation[];
      if (citations.length > 0) turn.citations = citations;
    }
    if (part.type === "image" && role === "user") {
      turn.items.push({ key, seq: null, kind: "user", text: "", images: imagesOf([part]) });
    }
    if (part.type === "tool_call") {
      turn.items.push({
        key: part.call_id,
        seq: null,
        kind: "call",
        call: { ...NEW_CALL, tool: part.tool, arguments: part.arguments },
      });
    }
    if (part.type === "tool_result") {
      const found = turn.items.find((it) => it.key === part.call_id);
      if (found?.kind === "call") Object.assign(found.call, { status: part.status, result: part.result });
    }
  });
}
