import { expect, test } from "vitest";
import type { RunEvent, ThreadMessage } from "../api/types";
import { isAtWork, withEvents } from "./conversation";
import { emptyTurn, type Item, type Turn, turnsOf, wordsOf } from "./turn";

let clock = 0;
const event = (seq: number, type: string, data: Record<string, unknown> = {}): RunEvent => ({
  seq,
  type,
  run_id: "r",
  at: new Date(Date.parse("2026-11-25T10:00:00Z") + 100 * clock++).toISOString(),
  data,
});
const delta = (seq: number, offset: number, words: string, call = "m2") =>
  event(seq, "text.delta", { call_id: call, part: 0, offset, text: words });

const FIRST = [
  event(1, "run.started", { input: "What time is it?" }),
  event(2, "step.started", { step: "1" }),
  event(3, "model.started", { call_id: "m1", step: "1", model: "demo/scripted", attempt: 1 }),
  event(4, "model.finished", {
    call_id: "m1",
    message: { content: [{ type: "tool_call", call_id: "c1", tool: "current_time", arguments: {} }] },
  }),
  event(5, "tool.started", { call_id: "c1", step: "1", tool: "current_time", arguments: {}, effect: "read" }),
  event(6, "tool.finished", {
    call_id: "c1",
    status: "done",
    result: { now: "10:00" },
    error: null,
    duration_ms: 3,
  }),
];
const SECOND = [
  event(8, "step.started", { step: "2" }),
  event(9, "model.started", { call_id: "m2", step: "2", model: "demo/scripted", attempt: 1 }),
];
const END = [
  event(10, "model.finished", {
    call_id: "m2",
    message: { content: [{ type: "text", text: "It is 👋 10." }] },
  }),
  event(12, "run.finished", {
    status: "succeeded",
    output: { text: "It is 👋 10.", citations: [] },
    usage: { input_tokens: 4 },
  }),
];
const GROWING = [delta(9, 0, "It"), delta(9, 2, " is 👋"), delta(9, 7, " 10.")];

const said = (it: Item): string =>
  it.kind === "call"
    ? `${it.call.tool}:${it.call.status}`
    : it.kind === "approval"
      ? `approval:${it.approval.status}`
      : `${it.kind}:${it.text}`;
const shown = (turn: Turn) => turn.items.map(said);

test("a run is the same however its events come in", () => {
  const events = [...FIRST, ...SECOND, ...GROWING, ...END];
  const whole = withEvents(emptyTurn("r"), events);
  expect(shown(whole)).toEqual(["user:What time is it?", "current_time:done", "text:It is 👋 10."]);
  expect([whole.status, whole.steps, isAtWork(whole), whole.usage]).toEqual([
    "succeeded",
    2,
    false,
    { input_tokens: 4 },
  ]);
  for (let cut = 0; cut <= events.length; cut++) {
    const parts = withEvents(withEvents(emptyTurn("r"), events.slice(0, cut)), events.slice(cut));
    expect(parts).toEqual(whole);
  }
  expect(shown(withEvents(emptyTurn("r"), [...FIRST, ...SECOND, ...END]))).toEqual(shown(whole));
});

test("text that comes again after the line was cut stands where it stood", () => {
  const turn = withEvents(emptyTurn("r"), [
    ...FIRST,
    ...SECOND,
    ...GROWING,
    delta(9, 2, " is 👋 10."),
    delta(9, 11, "!"),
  ]);
  expect(shown(turn).at(-1)).toBe("text:It is 👋 10.!");
});

test("what an attempt said that failed is void", () => {
  const failed = [
    ...SECOND,
    delta(9, 0, "It is"),
    event(10, "model.failed", {
      call_id: "m2",
      model: "demo/scripted",
      error: { message: "the line was cut" },
      retry_in_ms: 500,
    }),
    event(11, "model.started", { call_id: "m3", step: "2", model: "demo/scripted", attempt: 2 }),
    delta(11, 0, "Ten", "m3"),
  ];
  const turn = withEvents(emptyTurn("r"), [...FIRST, ...failed]);
  expect(shown(turn).slice(2)).toEqual(["trouble:the line was cut. It is asked again.", "text:Ten"]);
});

test("a call that waits for consent goes on when somebody has decided", () => {
  const asked = [
    ...FIRST.slice(0, 4),
    event(5, "approval.requested", {
      id: "a1",
      call_id: "c1",
      tool: { name: "current_time" },
      status: "pending",
    }),
    event(6, "run.waiting", { status: "suspended", waiting_for: [] }),
  ];
  const waiting = withEvents(emptyTurn("r"), asked);
  expect(shown(waiting)).toEqual(["user:What time is it?", "current_time:waiting", "approval:pending"]);
  expect([waiting.status, isAtWork(waiting)]).toEqual(["suspended", true]);

  const decided = withEvents(waiting, [
    event(7, "approval.decided", { approval_id: "a1", decision: "reject", by: "user:1", reason: "no" }),
    event(8, "run.resumed"),
  ]);
  expect([shown(decided).at(-1), decided.status, decided.stretches.at(-1)?.to]).toEqual([
    "approval:rejected",
    "running",
    expect.any(Number),
  ]);
});

test("events that are not known change nothing", () => {
  const turn = withEvents(emptyTurn("r"), FIRST);
  expect(withEvents(turn, [event(7, "planet.aligned", { call_id: "c1" })])).toBe(turn);
});

test("a thread shows what was said and called", () => {
  const message = (seq: number, role: string, run: string | null, content: unknown[]) =>
    ({ id: `m${seq}`, seq, role, run_id: run, content }) as unknown as ThreadMessage;
  const turns = turnsOf([
    message(1, "user", "r1", [{ type: "text", text: "Hi" }]),
    message(2, "assistant", "r1", [{ type: "tool_call", call_id: "c", tool: "t", arguments: { a: 1 } }]),
    message(3, "tool", "r1", [
      { type: "tool_result", call_id: "c", tool: "t", status: "failed", result: {} },
    ]),
    message(4, "assistant", "r1", [{ type: "text", text: "No.", citations: [{ quote: "q" }] }]),
    message(5, "user", "r2", [{ type: "text", text: "Again" }]),
  ]);
  expect(turns.map(shown)).toEqual([["user:Hi", "t:failed", "text:No."], ["user:Again"]]);
  expect(turns[0]?.citations).toHaveLength(1);
});

test("what was said is a text, in whatever form it came", () => {
  expect(wordsOf("a")).toBe("a");
  expect(
    wordsOf([
      { type: "text", text: "a" },
      { type: "image", url: "x" },
      { type: "text", text: "b" },
    ]),
  ).toBe("a\nb");
  expect(
    wordsOf({
      messages: [
        { role: "user", content: "a" },
        { role: "user", content: [{ type: "text", text: "b" }] },
      ],
    }),
  ).toBe("b");
  expect(wordsOf({ city: "Oslo" })).toBe('{"city":"Oslo"}');
});

test("what was too long for its event is what came piece by piece, or its beginning", () => {
  const note = { truncated: true, size: 100_000, sha256: "x", url: "/runs/r/values/x", preview: "Long" };
  const begun = [event(1, "run.started", { input: note }), ...SECOND, ...GROWING];
  const finished = (content: unknown) => event(10, "model.finished", { call_id: "m2", message: { content } });
  const after = (content: unknown) => shown(withEvents(emptyTurn("r"), [...begun, finished(content)]));
  expect(after([{ type: "text", text: note }])).toEqual(["user:Long…", "text:It is 👋 10."]);
  expect(after(note)).toEqual(["user:Long…", "text:It is 👋 10."]);
  const unseen = withEvents(emptyTurn("r"), [...SECOND, finished([{ type: "text", text: note }])]);
  expect(shown(unseen)).toEqual(["text:Long…"]);
  expect(wordsOf(note)).toBe("Long…");
});

test("first words come at the latest when the model was done with them", () => {
  const at = (ms: number) => new Date(Date.parse("2026-11-25T10:00:00Z") + ms).toISOString();
  const turn = withEvents(emptyTurn("r"), [
    { ...event(1, "run.started", { input: "Hello" }), at: at(0) },
    { ...delta(3, 0, "Hi", "m1"), at: at(108) },
    {
      ...event(3, "model.finished", { call_id: "m1", message: { content: [{ type: "text", text: "Hi" }] } }),
      at: at(79),
    },
  ]);
  expect(turn.firstTextMs).toBe(79);
});
