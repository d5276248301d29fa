import { plural } from "../kit/format";

/** What became of an event, in a few words. */
export function deliveredWords({ delivered, started }: { delivered: number; started: number }): string {
  const went = delivered > 0 && `went to ${plural(delivered, "run")} that waited for it`;
  const began = started > 0 && `began ${plural(started, "run")}`;
  if (!went && !began) return "Nobody waits for it; it is kept for a day";
  return `It ${[went, began].filter(Boolean).join(", and ")}`;
}
