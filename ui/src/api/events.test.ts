import { beforeEach, expect, test, vi } from "vitest";
import type { Connection } from "./events";
import type { RunEvent } from "./types";

vi.stubGlobal("document", { documentElement: { dataset: {} } });
vi.stubGlobal("location", { origin: "http://here" });
vi.stubGlobal("requestAnimationFrame", (draw: () => void) => setTimeout(draw, 16));
vi.stubGlobal("cancelAnimationFrame", clearTimeout);
const { watchRun } = await import("./events");

const frame = (seq: number, type: string) =>
  `id: ${seq}\ndata: ${JSON.stringify({ seq, type, data: {} })}\n\n`;
const closed = (...frames: string[]) => new Response(frames.join(""));
const refused = (status: number) => new Response("{}", { status });

/** Watches a run whose connections answer so, one after the other; after the last of them it hangs. */
function watched(...answers: Response[]) {
  const asked: string[] = [];
  const seen = { events: [] as RunEvent[], connections: [] as Connection[], asked };
  vi.stubGlobal("fetch", (path: string) => {
    asked.push(path);
    return answers.shift() ?? new Promise(() => {});
  });
  watchRun(
    "r",
    { deltas: false },
    (more) => seen.events.push(...more),
    (it) => seen.connections.push(it),
  );
  return seen;
}

beforeEach(() => {
  vi.useFakeTimers();
});

test("a connection that closes with nothing on it is made again, after the last event", async () => {
  const seen = watched(
    closed(frame(1, "run.started"), frame(2, "run.waiting")),
    closed(),
    closed(),
    closed(frame(3, "run.finished")),
  );
  await vi.advanceTimersByTimeAsync(10_000);
  expect(seen.events.map((it) => it.seq)).toEqual([1, 2, 3]);
  expect(seen.asked.map((it) => /after=(.*)/.exec(it)?.[1])).toEqual([undefined, "2", "2", "2"]);
  expect(seen.connections).toEqual([
    ...["open", "reconnecting", "open", "reconnecting", "open", "reconnecting", "open"],
    "ended",
  ]);
});

test("it is connected as soon as there is an answer, before anything comes", async () => {
  const waits = new Response(new ReadableStream());
  const seen = watched(closed(frame(1, "run.waiting")), waits);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(seen.connections).toEqual(["open", "reconnecting", "open"]);
});

test("it ends where the server says that nothing will come, and where it refuses", async () => {
  const over = watched(new Response(null, { status: 204 }));
  await vi.advanceTimersByTimeAsync(10_000);
  expect([over.connections, over.asked.length]).toEqual([["ended"], 1]);
  const unknown = watched(refused(404));
  await vi.advanceTimersByTimeAsync(10_000);
  expect([unknown.connections, unknown.asked.length]).toEqual([["ended"], 1]);
});

test("what may be answered later is asked again", async () => {
  const seen = watched(refused(503), refused(429), closed(frame(1, "run.finished")));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(seen.events).toHaveLength(1);
  expect(seen.connections.at(-1)).toBe("ended");
});
