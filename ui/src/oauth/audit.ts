import type { components } from "../api/schema";

export type Entry = components["schemas"]["Entry"];

/** Entries by their days, in the order in which they come: the newest first. */
export function byDay(entries: readonly Entry[]): [day: string, entries: Entry[]][] {
  const days: [string, Entry[]][] = [];
  for (const entry of entries) {
    const day = new Date(entry.at).toLocaleDateString("en-GB", {
      weekday: "long",
      day: "numeric",
      month: "long",
      year: "numeric",
    });
    const last = days.at(-1);
    if (last?.[0] === day) last[1].push(entry);
    else days.push([day, [entry]]);
  }
  return days;
}

/** Whether somebody was refused what he asked for. */
export const isRefusal = (entry: Entry) =>
  entry.action.startsWith("refus") || entry.action.endsWith(".refused");

/** The members that differ, each as it was and as it is. */
export function changesOf(entry: Entry): { name: string; before: unknown; after: unknown }[] {
  const [before, after] = [entry.before ?? {}, entry.after ?? {}] as [
    Record<string, unknown>,
    Record<string, unknown>,
  ];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.map((name) => ({ name, before: before[name], after: after[name] }));
}
