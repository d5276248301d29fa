import type { Entry, Path } from "../graph/entry";
import { at, entryAt, isMakingUp, listOf, put, putIn } from "./change";

/** The way to the least that holds all in which two states differ. What is the same in both is the same object. */
function differenceOf(before: unknown, after: unknown): Path {
  if (!isTree(before) || !isTree(after) || Array.isArray(before) !== Array.isArray(after)) return [];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const [name, ...others] = names.filter((it) => !Object.is(before[it], after[it]));
  if (name === undefined || others.length > 0 || !isTree(before[name]) || !isTree(after[name])) return [];
  return [name, ...differenceOf(before[name], after[name])];
}

const isTree = (it: unknown): it is Record<string, unknown> => typeof it === "object" && it !== null;

/** What there is now without one change of before; `null` if what was changed then has been changed since. */
export function takenBack<T>(now: T, before: T, after: T): T | null {
  const way = differenceOf(before, after);
  return Object.is(at(now, way), at(after, way)) ? (putIn(now, way, at(before, way)) as T) : null;
}

/** An entry that was deleted, where it stood; `null` if what it stood in is gone. */
export function putBack(now: readonly Entry[], path: Path, gone: Entry): readonly Entry[] | null {
  if (isMakingUp(path)) {
    const around = entryAt(now, path.slice(0, -1));
    return around && around.compensate === undefined ? put(now, path, gone) : null;
  }
  const [list, place] = listOf(path);
  const entries = at(now, list);
  return Array.isArray(entries) ? put(now, list, entries.toSpliced(place, 0, gone)) : null;
}
