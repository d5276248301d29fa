import { allOf, type Entry, idOf } from "../graph/entry";
import { parseJson } from "../kit/json";
import type { Execution } from "./entries";
import type { ForkAsked } from "./queries";

type All = ReadonlyMap<string, Execution>;

/**
 * What a fork can name of a run: what has begun outside of turns, and does not make up for anything: `steps` says so, as
 * far as they are known.
 */
export function forkable(all: All, steps: readonly Entry[]): Map<string, Execution> {
  const makesUp = new Set(allOf(steps).flatMap((it) => (it.makesUp ? [idOf(it.entry)] : [])));
  return new Map([...all].filter(([, it]) => it.turn === null && !makesUp.has(it.entry)));
}

/** The entries whose recorded output a fork from this one uses, with what was recorded. */
export function recordedBefore(all: All, from: string): Map<string, unknown> {
  const begun = all.get(from)?.attempts[0]?.seq ?? 0;
  const recorded = new Map<string, unknown>();
  for (const it of all.values()) {
    const end = it.attempts.at(-1)?.end;
    if (end && end.seq < begun && end.status === "done") recorded.set(it.entry, end.output);
  }
  return recorded;
}

/** The newest entry that failed; else the first. */
export function likelyStart(all: All): string {
  const begun = [...all.values()];
  const failed = begun.findLast((it) => it.attempts.at(-1)?.end?.status === "failed");
  return (failed ?? begun[0])?.entry ?? "";
}

/** The body of a fork, or what of it is no JSON, by its pointers. `input`: another one, as it was typed. */
export function forkOf(
  from: string,
  typed: ReadonlyMap<string, string>,
  version: string,
  input: string | null = null,
): { body: ForkAsked } | { errors: Record<string, string> } {
  const errors: Record<string, string> = {};
  const overrides: Record<string, unknown> = {};
  const read = (pointer: string, text: string): unknown => {
    const parsed = parseJson(text);
    if ("value" in parsed) return parsed.value;
    errors[pointer] = parsed.line ? `Line ${parsed.line}: ${parsed.error}` : parsed.error;
    return undefined;
  };
  for (const [id, text] of typed) overrides[id] = read(`/overrides/${id}`, text);
  const other = input === null ? undefined : read("/input", input);
  if (version.trim() !== "" && !/^[1-9]\d*$/.test(version.trim())) errors["/version"] = "A whole number.";
  if (Object.keys(errors).length > 0) return { errors };
  const body: ForkAsked = {
    from_step: from,
    ...(typed.size > 0 && { overrides }),
    ...(version.trim() !== "" && { version: Number(version) }),
    ...(other !== undefined && { input: other }),
  };
  return { body };
}
