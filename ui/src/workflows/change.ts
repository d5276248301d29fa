import {
  afterOf,
  allOf,
  type Entry,
  type EntryType,
  entriesOf,
  idOf,
  isGraph,
  isObject,
  keyOf,
  type Path,
  partsOf,
} from "../graph/entry";
import { renamed } from "./references";

type Steps = readonly Entry[];

/** What a way leads to in the steps. */
export function at(steps: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inside, step) => (inside as Record<string, unknown> | null | undefined)?.[step],
    steps,
  );
}

/** The entry that a way leads to. */
export function entryAt(steps: Steps, path: Path): Entry | null {
  const found = path.length > 0 ? at(steps, path) : null;
  return isObject(found) ? found : null;
}

/** The steps with this at the end of the way; `undefined` takes away what is there. */
export function put(steps: Steps, path: Path, value: unknown): Steps {
  return putIn(steps, path, value) as Steps;
}

/** The same in any value. */
export function putIn(inside: unknown, path: Path, value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (Array.isArray(inside)) {
    const place = Number(step);
    if (rest.length === 0 && value === undefined) return inside.toSpliced(place, 1);
    return inside.with(place, putIn(inside[place], rest, value));
  }
  const members = isObject(inside) ? inside : {};
  const next = putIn(members[step], rest, value);
  if (next !== undefined) return { ...members, [step]: next };
  const { [step]: _, ...others } = members;
  return others;
}

/** The list that the entry at the end of the way stands in, and its place there. */
export const listOf = (path: Path): [list: Path, place: number] => [path.slice(0, -1), Number(path.at(-1))];

/** Whether the entry makes up for another one, and stands in no list. */
export const isMakingUp = (path: Path) => path.at(-1) === "compensate";

/** Puts an entry before the one at this place. In a graph it waits for what that one waited for, and that one for it. */
export function insertBefore(steps: Steps, list: Path, place: number, entry: Entry): Steps {
  const entries = entriesOf(at(steps, list));
  const next = entries[place];
  if (!next || !isGraph(entries)) return insert(steps, list, place, entry);
  const made = { ...entry, depends_on: afterOf(next) ?? [] };
  const later = { ...next, depends_on: [idOf(entry)] };
  return put(steps, list, entries.toSpliced(place, 1, made, later));
}

/** Puts an entry into a list. In a graph it waits for the one before it, and those that waited for that one wait for it. */
export function insert(steps: Steps, list: Path, place: number, entry: Entry): Steps {
  const entries = entriesOf(at(steps, list));
  const before = entries[place - 1];
  const made = isGraph(entries) && before ? { ...entry, depends_on: [idOf(before)] } : entry;
  const others =
    isGraph(entries) && before ? entries.map((it) => waitingFor(it, idOf(before), [idOf(entry)])) : entries;
  return put(steps, list, others.toSpliced(place, 0, made));
}

/** The entry, which waits for these instead of for that. */
function waitingFor(entry: Entry, id: string, instead: readonly string[]): Entry {
  const after = afterOf(entry);
  if (!after?.includes(id)) return entry;
  const own = idOf(entry);
  const ids = after.flatMap((it) => (it === id ? instead : [it])).filter((it) => it !== own);
  return { ...entry, depends_on: [...new Set(ids)] };
}

/** Takes an entry away. Those that waited for it wait for what it waited for. */
export function remove(steps: Steps, path: Path): Steps {
  if (isMakingUp(path)) return put(steps, path, undefined);
  const [list, place] = listOf(path);
  const entries = entriesOf(at(steps, list));
  const gone = entries[place];
  if (!gone) return steps;
  const left = entries.toSpliced(place, 1).map((it) => waitingFor(it, idOf(gone), afterOf(gone) ?? []));
  return put(steps, list, left);
}

/** Moves an entry up or down in its list. */
export function shift(steps: Steps, path: Path, by: -1 | 1): Steps {
  const [list, place] = listOf(path);
  const entries = entriesOf(at(steps, list));
  const [moved, other] = [entries[place], entries[place + by]];
  if (!moved || !other) return steps;
  return put(steps, list, entries.with(place, other).with(place + by, moved));
}

/** Moves an entry to the end of another list, and says where it is then. What is within it has no place for it. */
export function move(steps: Steps, path: Path, to: Path): { steps: Steps; path: Path } {
  const entry = entryAt(steps, path);
  const isWithin = path.every((it, at) => to[at] === it);
  if (!entry || isWithin || isMakingUp(path)) return { steps, path };
  const { depends_on: _, ...free } = entry;
  const [list, place] = listOf(path);
  // What stood after it in its list is one place nearer to the beginning.
  const isBehind = list.every((it, at) => to[at] === it) && Number(to[list.length]) > place;
  const target = isBehind ? to.with(list.length, Number(to[list.length]) - 1) : to;
  const without = remove(steps, path);
  const end = entriesOf(at(without, target)).length;
  return { steps: insert(without, target, end, free), path: [...target, end] };
}

/** The lists that there are, with the entry that each is in. */
export function listsOf(steps: Steps): { path: Path; id: string; part: string }[] {
  const within = allOf(steps).flatMap(({ entry, path }) =>
    (partsOf(entry) ?? []).map((part) => ({
      path: [...path, ...part.path],
      id: idOf(entry),
      part: part.name,
    })),
  );
  return [{ path: [], id: "", part: "" }, ...within];
}

/** The same list as a graph: each waits for the one before it, as it did. */
export function toGraph(steps: Steps, list: Path): Steps {
  const entries = entriesOf(at(steps, list));
  const linked = entries.map((it, place) => {
    const before = entries[place - 1];
    return { ...it, depends_on: before ? [idOf(before)] : [] };
  });
  return put(steps, list, linked);
}

/** The same list one after the other, those that others wait for first. */
export function toSequence(steps: Steps, list: Path): Steps {
  const entries = entriesOf(at(steps, list));
  const [sorted, done] = [[] as Entry[], new Set<Entry>()];
  const visit = (entry: Entry) => {
    if (done.has(entry)) return;
    done.add(entry);
    for (const id of afterOf(entry) ?? []) {
      const before = entries.find((it) => it.id === id);
      if (before) visit(before);
    }
    sorted.push(entry);
  };
  for (const it of entries) visit(it);
  const free = sorted.map(({ depends_on: _, ...it }) => it);
  return put(steps, list, free);
}

/** Has the entry `to` wait for `from`, or no longer if it did; or says why it cannot. A list one by one becomes a graph. */
export function connect(steps: Steps, from: Path, to: Path): Steps | string {
  const [list, place] = listOf(to);
  if (keyOf(listOf(from)[0]) !== keyOf(list) || isMakingUp(from) || isMakingUp(to))
    return "Only entries of one list can wait for each other";
  const graph = isGraph(entriesOf(at(steps, list))) ? steps : toGraph(steps, list);
  const entries = entriesOf(at(graph, list));
  const [first, then] = [idOf(entries[listOf(from)[1]] ?? {}), idOf(entries[place] ?? {})];
  if (first === "" || then === "") return "An entry needs an id to be waited for";
  const ids = afterOf(entries[place] ?? {}) ?? [];
  const isConnected = ids.includes(first);
  if (!isConnected && waitsFor(entries, first, then)) return `${first} waits for ${then} already`;
  return put(graph, [...to, "depends_on"], isConnected ? ids.filter((it) => it !== first) : [...ids, first]);
}

/** Whether the entry waits for the other one, also by way of others. */
function waitsFor(entries: Steps, id: string, other: string): boolean {
  const [seen, left] = [new Set<string>(), [id]];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (next === other) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    left.push(...(afterOf(entries.find((it) => it.id === next) ?? {}) ?? []));
  }
  return false;
}

/** A name that nothing has yet: `fetch`, `fetch_2`. */
export function freeId(steps: Steps, wanted: string): string {
  const used = new Set(allOf(steps).map((it) => it.entry.id));
  let id = wanted;
  for (let n = 2; used.has(id); n++) id = `${wanted}_${n}`;
  return id;
}

/** Gives an entry another id, and has all that named it name it so. */
export function rename(steps: Steps, from: string, to: string): Steps {
  const count = (id: string) => allOf(steps).filter((it) => it.entry.id === id).length;
  // As long as another one has the old name or the new one, nobody knows which is meant.
  if (from === to || from === "" || to === "" || count(from) > 0 || count(to) > 1) return steps;
  return renamed(steps, from, to) as Steps;
}

/** What a new entry of a type begins as. */
export function newEntry(steps: Steps, type: EntryType): Entry {
  const id = freeId(steps, WORDS[type] ?? type);
  const rule = { op: "truthy", value: { $: "/previous" } };
  const members: Partial<Record<EntryType, Entry>> = {
    agent: { agent: "" },
    tool: { tool: "" },
    workflow: { workflow: "" },
    step: { step: "" },
    mapping: { output: {} },
    parallel: { branches: { a: [], b: [] } },
    conditional: { cases: [{ when: rule, then: [] }] },
    foreach: { items: { $: "/previous" }, do: [] },
    loop: { until: rule, max_iterations: 10, do: [] },
    sleep: { duration_ms: 60_000 },
    sleep_until: { until: { $: "/input/at" } },
    wait_for_event: { event: "" },
    approval: { message: "" },
    script: { code: "return input;\n" },
    fail: { message: "" },
  };
  return { id, type, ...members[type] };
}

const WORDS: Partial<Record<EntryType, string>> = { wait_for_event: "event", sleep_until: "until" };

/** Members that all types have. */
const COMMON = ["id", "depends_on", "on_error"];

/** An entry of another type: what all types have stays. */
export function retyped(steps: Steps, entry: Entry, type: EntryType): Entry {
  const kept = Object.fromEntries(Object.entries(entry).filter(([name]) => COMMON.includes(name)));
  const { id: _, ...made } = newEntry(steps, type);
  return { ...kept, ...made };
}
