import type { RunSummary } from "../api/types";

/**
 * The rows of the list as they are now: those that were read, each as the newest look has it. What is newer than all of
 * them is counted and does not come in by itself: a list must not jump while somebody reads it.
 */
export function merged(
  read: readonly RunSummary[],
  latest: readonly RunSummary[],
): { rows: RunSummary[]; fresh: number } {
  const now = new Map(latest.map((it) => [it.id, it]));
  const known = new Set(read.map((it) => it.id));
  const newest = read[0]?.created_at ?? "";
  const fresh = latest.filter((it) => !known.has(it.id) && it.created_at >= newest).length;
  return { rows: read.map((it) => now.get(it.id) ?? it), fresh };
}

/** How long a run took, or has taken by now; `null` before it began. */
export function tookMs(run: Pick<RunSummary, "started_at" | "finished_at">, now: number): number | null {
  if (!run.started_at) return null;
  const end = run.finished_at ? Date.parse(run.finished_at) : now;
  return Math.max(end - Date.parse(run.started_at), 0);
}
