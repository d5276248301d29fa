import { useEffect, useRef, useState } from "react";
import { Ended, stream } from "./client";
import { Failure } from "./problem";
import type { RunEvent } from "./types";

const AGAIN_MS = [500, 1000, 2000, 5000];

export type Connection = "open" | "reconnecting" | "ended";

/**
 * Watches a run to its end, over any number of connections: `onEvents` gets all events once and in order, those of one
 * frame of the screen at once. The last cursor is kept, so nothing is asked for twice.
 */
export function watchRun(
  id: string,
  { deltas, after }: { deltas: boolean; after?: string | undefined },
  onEvents: (events: RunEvent[]) => void,
  onConnection: (state: Connection) => void = () => {},
): () => void {
  const stop = new AbortController();
  let cursor = after;
  let waiting: RunEvent[] = [];
  let frame = 0;
  const flush = () => {
    frame = 0;
    const events = waiting;
    waiting = [];
    if (events.length > 0) onEvents(events);
  };
  const run = async () => {
    for (let failures = 0; !stop.signal.aborted; ) {
      try {
        const query = new URLSearchParams(deltas ? {} : { deltas: "false" });
        if (cursor) query.set("after", cursor);
        // A server that stops closes what it has open, too: that says nothing of the run.
        let isOver = false;
        const frames = await stream(`/runs/${id}/events?${query}`, stop.signal);
        onConnection("open");
        for await (const it of frames) {
          failures = 0;
          cursor = it.id;
          const event = JSON.parse(it.data) as RunEvent;
          waiting.push(event);
          frame ||= requestAnimationFrame(flush);
          isOver = event.type === "run.finished";
        }
        if (isOver) break;
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error instanceof Ended || isRefused(error)) break;
      }
      onConnection("reconnecting");
      const pause = AGAIN_MS[Math.min(failures++, AGAIN_MS.length - 1)];
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    if (!stop.signal.aborted) {
      cancelAnimationFrame(frame);
      flush();
      onConnection("ended");
    }
  };
  run();
  return () => {
    stop.abort();
    cancelAnimationFrame(frame);
  };
}

/** It would be refused again; after too many requests it may not be. */
const isRefused = (error: unknown) =>
  error instanceof Failure && error.status >= 400 && error.status < 500 && error.status !== 429;

/** The stored events of a run, and those to come. */
export function useRunEvents(id: string): { events: readonly RunEvent[]; connection: Connection } {
  const [events, setEvents] = useState<readonly RunEvent[]>([]);
  const [connection, setConnection] = useState<Connection>("open");
  const shown = useRef(id);
  useEffect(() => {
    shown.current = id;
    setEvents([]);
    setConnection("open");
    return watchRun(
      id,
      { deltas: false },
      (more) => setEvents((before) => before.concat(more)),
      setConnection,
    );
  }, [id]);
  return { events: shown.current === id ? events : [], connection };
}
