import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { watchRun } from "../api/events";
import { cancelRun } from "../api/runs";
import type { Said } from "./Composer";
import { isAtWork, withEvents } from "./conversation";
import { contentFor } from "./images";
import { beginRun, createThread, threadQuery, threadsQuery } from "./queries";
import { emptyTurn, type Turn, turnsOf } from "./turn";

interface Conversation {
  turns: Turn[];
  /** The thread is being read. */
  isLoading: boolean;
  error: unknown;
  send: (said: Said) => Promise<boolean>;
  stop: () => void;
}

/**
 * A thread with an agent. Data flows one way: what is kept of the thread, then the events of the runs that were begun
 * here or found at work, folded by `conversation.ts`. Which thread is shown stands in the URL and belongs to the page.
 */
export function useConversation(
  agent: string,
  thread: string | undefined,
  mayKeep: boolean,
  onThread: (id: string) => void,
  version: number | null = null,
): Conversation {
  const queries = useQueryClient();
  const kept = useQuery({ ...threadQuery(thread ?? ""), enabled: Boolean(thread) && mayKeep });
  /** Runs that are watched here: they come after what is kept. */
  const [live, setLive] = useState<Turn[]>([]);
  const [error, setError] = useState<unknown>(null);
  const watches = useRef(new Map<string, () => void>());
  const shown = useRef(thread);

  const watch = useCallback((runId: string) => {
    if (watches.current.has(runId)) return;
    const change = (apply: (turn: Turn) => Turn) =>
      setLive((turns) => turns.map((it) => (it.runId === runId ? apply(it) : it)));
    watches.current.set(
      runId,
      watchRun(runId, { deltas: true }, (events) => change((turn) => withEvents(turn, events))),
    );
  }, []);

  // Another thread: what was watched is let go; the runs go on.
  useEffect(() => {
    if (shown.current === thread) return;
    shown.current = thread;
    for (const it of watches.current.values()) it();
    watches.current.clear();
    setLive([]);
    setError(null);
  }, [thread]);
  useEffect(() => {
    const all = watches.current;
    return () => {
      for (const it of all.values()) it();
      all.clear();
    };
  }, []);

  // A run that is at work on the thread is taken up where it is.
  const active = kept.data?.thread.active_run_id ?? null;
  useEffect(() => {
    if (!active || watches.current.has(active)) return;
    setLive((turns) => (turns.some((it) => it.runId === active) ? turns : [...turns, emptyTurn(active)]));
    watch(active);
  }, [active, watch]);

  const send: Conversation["send"] = async ({ text, images, context }) => {
    setError(null);
    try {
      let id = thread ?? null;
      if (!id && mayKeep) {
        const made = await createThread(agent, titleOf(text || "An image"));
        id = made.id;
        queries.setQueryData(threadQuery(made.id).queryKey, { thread: made, messages: [] });
        // It is this conversation that got a name, not another one.
        shown.current = made.id;
        onThread(made.id);
      }
      const input = contentFor(text, images);
      const run = await beginRun(agent, { input, thread_id: id, context, version });
      setLive((turns) => [...turns, emptyTurn(run.id, input)]);
      watch(run.id);
      queries.invalidateQueries({ queryKey: threadsQuery(agent).queryKey });
      return true;
    } catch (problem) {
      setError(problem);
      return false;
    }
  };
  const atWork = live.find(isAtWork);
  const stop = () => {
    if (atWork?.runId) cancelRun(atWork.runId).catch(setError);
  };
  const watched = new Set(live.map((it) => it.runId));
  const before = turnsOf(kept.data?.messages ?? []).filter(
    (it) => it.runId === null || !watched.has(it.runId),
  );
  return { turns: [...before, ...live], isLoading: kept.isLoading, error: error ?? kept.error, send, stop };
}

const TITLE = 60;

/** The beginning of what was said, to find the thread by. */
function titleOf(text: string): string {
  const line = text.trim().split("\n")[0] ?? "";
  return line.length <= TITLE ? line : `${line.slice(0, TITLE - 1)}…`;
}
