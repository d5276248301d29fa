/** How far an entry is in a run. */
export interface EntryState {
  status: "waiting" | "running" | "done" | "failed" | "skipped" | "canceled";
  /** Of what has turns: how many have begun. */
  turns?: number;
  /** Beside it: how long it took, or what it waits for. */
  detail?: string;
}

export type States = Readonly<Record<string, EntryState>>;

/** Whether a run has come to an entry. */
const isReached = (state: EntryState | undefined) => state !== undefined && state.status !== "skipped";

/** How a line between two entries is drawn: what a run has not come to is told from what it never will. */
export function lookOf(states: States | undefined, from: string | null, to: string | null): Look {
  if (!states) return "plain";
  const [source, target] = [states[from ?? ""], states[to ?? ""]];
  if (source?.status === "skipped" || target?.status === "skipped") return "skipped";
  return isReached(target) || (to === null && isReached(source)) ? "plain" : "todo";
}

export type Look = "plain" | "todo" | "skipped";
