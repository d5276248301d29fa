import {
  afterOf,
  type Entry,
  entriesOf,
  idOf,
  isGraph,
  isObject,
  type Path,
  partsOf,
  typeOf,
} from "../graph/entry";
import { at } from "./change";

/** What the values of an entry may read: pointers to what is there when it begins, the nearest first. */
export function readsAt(steps: readonly Entry[], path: Path, inputSchema: unknown): string[] {
  const ids: string[] = [];
  const turns: string[] = [];
  // From the list that it stands in to the outermost one.
  for (let length = path.length; length > 0; length--) {
    const place = path[length - 1];
    if (typeof place !== "number" || !Array.isArray(at(steps, path.slice(0, length - 1)))) continue;
    const list = at(steps, path.slice(0, length - 1)) as unknown[];
    // Cases are a list, too, and no entries.
    if (path[length - 2] === "cases") continue;
    const entries = entriesOf(list);
    for (const it of before(entries, place)) ids.push(...within(it));
    const around = entries[place];
    if (length < path.length && around && ["foreach", "loop"].includes(typeOf(around)) && turns.length === 0)
      turns.push(...(typeOf(around) === "foreach" ? ["/item", "/index"] : ["/index"]));
  }
  return [
    "/previous",
    ...turns,
    ...ids.filter(Boolean).map((id) => `/steps/${id}/output`),
    "/input",
    ...membersOf(inputSchema),
    "/context",
  ];
}

/** What is over in a list when the entry at this place begins, the last first. */
function before(entries: readonly Entry[], place: number): Entry[] {
  if (!isGraph(entries)) return entries.slice(0, place).reverse();
  const found = new Set<Entry>();
  const visit = (entry: Entry | undefined) => {
    for (const id of (entry && afterOf(entry)) ?? []) {
      const other = entries.find((it) => it.id === id);
      if (!other || found.has(other)) continue;
      found.add(other);
      visit(other);
    }
  };
  visit(entries[place]);
  return [...found];
}

/** An entry, and what of those within it is there when it is over: nothing of what has turns. */
function within(entry: Entry): string[] {
  const inner = ["foreach", "loop"].includes(typeOf(entry)) ? [] : (partsOf(entry) ?? []);
  return [idOf(entry), ...inner.flatMap((part) => part.entries.flatMap(within))];
}

function membersOf(schema: unknown): string[] {
  const properties = isObject(schema) ? schema.properties : null;
  return isObject(properties)
    ? Object.keys(properties).map((it) => `/input/${it.replaceAll("~", "~0").replaceAll("/", "~1")}`)
    : [];
}

/** The entry that a pointer of a fault is about: the way to it; `null` if it is about none. */
export function entryOfPointer(steps: readonly Entry[], pointer: string): Path | null {
  const [root, ...rest] = pointer.split("/").slice(1);
  if (root !== "steps") return null;
  const path = rest.map((it) =>
    /^\d+$/.test(it) ? Number(it) : it.replaceAll("~1", "/").replaceAll("~0", "~"),
  );
  for (let length = path.length; length > 0; length--) {
    const own = path.slice(0, length);
    const isPlace =
      typeof own.at(-1) === "number" && own.at(-2) !== "cases" && isListOfEntries(own.slice(0, -1));
    if ((isPlace || own.at(-1) === "compensate") && isObject(at(steps, own))) return own;
  }
  return null;
}

/** Whether a way leads to a list of entries, by its last word: `do`, `then`, `otherwise`, the name of a branch. */
function isListOfEntries(path: Path): boolean {
  const [last, above] = [path.at(-1), path.at(-2)];
  return path.length === 0 || above === "branches" || ["do", "then", "otherwise"].includes(String(last));
}
