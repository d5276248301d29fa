/** One thing that a workflow does, as its definition says it. What is typed may be anything for a while. */
export type Entry = Readonly<Record<string, unknown>>;

export const TYPES = [
  "agent",
  "tool",
  "workflow",
  "step",
  "mapping",
  "parallel",
  "conditional",
  "foreach",
  "loop",
  "sleep",
  "sleep_until",
  "wait_for_event",
  "approval",
  "script",
  "fail",
] as const;
export type EntryType = (typeof TYPES)[number];

/** The way to something in the steps: `[0, "cases", 1, "then"]`. */
export type Path = readonly (string | number)[];

/** The pointer to a member of what a pointer leads to. */
export const pointerOf = (pointer: string, name: string | number) => `${pointer}/${escaped(name)}`;

/** The same as a text: `0/cases/1/then`. */
export const keyOf = (path: Path) => path.map(escaped).join("/");
/** The way that a text says. */
export const pathOfKey = (key: string): Path =>
  key === ""
    ? []
    : key
        .split("/")
        .map((it) => (/^\d+$/.test(it) ? Number(it) : it.replaceAll("~1", "/").replaceAll("~0", "~")));

/** A list of entries within an entry. */
export interface Part {
  /** From the entry to the list. */
  path: Path;
  /** What it is called where it stands: the name of a branch; empty if there is only one. */
  name: string;
  /** Of a case: when it is taken. */
  when?: unknown;
  entries: readonly Entry[];
}

/** What was typed and cannot be read: it stands in the place of the value until it can. */
export class Unread {
  readonly text: string;
  readonly why: string;

  constructor(text: string, why: string) {
    this.text = text;
    this.why = why;
  }
}

export const textOf = (value: unknown) => (typeof value === "string" ? value : "");
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Unread);

/** The entries of a list; what is none is one of which nothing is known, so that all keep their places. */
export const entriesOf = (value: unknown): Entry[] =>
  Array.isArray(value) ? value.map((it) => (isObject(it) ? it : {})) : [];
export const idOf = (entry: Entry) => textOf(entry.id);
export const typeOf = (entry: Entry) => textOf(entry.type);

/** The lists within an entry, in their order; of what has turns it is one. `null`: it has no lists. */
export function partsOf(entry: Entry): Part[] | null {
  switch (entry.type) {
    case "parallel":
      return Object.entries(isObject(entry.branches) ? entry.branches : {}).map(([name, list]) => ({
        path: ["branches", name],
        name,
        entries: entriesOf(list),
      }));
    case "conditional":
      return [
        ...(Array.isArray(entry.cases) ? entry.cases : []).map((it, at) => ({
          path: ["cases", at, "then"],
          name: `case ${at + 1}`,
          when: isObject(it) ? it.when : undefined,
          entries: entriesOf(isObject(it) ? it.then : null),
        })),
        { path: ["otherwise"], name: "otherwise", entries: entriesOf(entry.otherwise) },
      ];
    case "foreach":
    case "loop":
      return [{ path: ["do"], name: "", entries: entriesOf(entry.do) }];
    default:
      return null;
  }
}

/** An entry, and where it stands. */
export interface Placed {
  entry: Entry;
  /** The way to it. */
  path: Path;
  /** How many entries are around it. */
  depth: number;
  /** What it stands in: the id of the entry, and which of its parts. */
  within: { id: string; part: string } | null;
  /** It makes up for the entry that it stands in. */
  makesUp: boolean;
}

/** What an entry stands in, and what it waits for, in words; empty if it simply follows in the workflow itself. */
export function placeWords({ entry, within, makesUp }: Placed): string {
  const place = within && ["in", within.id, within.part].filter(Boolean).join(" ");
  return [within && makesUp ? `makes up for ${within.id}` : place, afterWords(entry)]
    .filter(Boolean)
    .join(", ");
}

/** `after a, b`, of an entry that says what it waits for. */
export function afterWords(entry: Entry): string {
  const ids = afterOf(entry) ?? [];
  return ids.length > 0 ? `after ${ids.join(", ")}` : "";
}

/** The beginning of a part, with the way to its list. */
export interface PartHead {
  part: Part;
  path: Path;
  depth: number;
}

/** All entries, each before those within it, and the heads of their parts, in the order in which they stand. */
export function rowsOf(
  steps: readonly Entry[],
  path: Path = [],
  depth = 0,
  within: Placed["within"] = null,
): (Placed | PartHead)[] {
  return steps.flatMap((entry, at) => {
    const own = [...path, at];
    const id = idOf(entry);
    const rows: (Placed | PartHead)[] = [{ entry, path: own, depth, within, makesUp: false }];
    if (isObject(entry.compensate))
      rows.push({
        entry: entry.compensate,
        path: [...own, "compensate"],
        depth: depth + 1,
        within: { id, part: "" },
        makesUp: true,
      });
    for (const part of partsOf(entry) ?? []) {
      const list = [...own, ...part.path];
      rows.push({ part, path: list, depth: depth + 1 });
      for (const it of rowsOf(part.entries, list, depth + 1, { id, part: part.name })) rows.push(it);
    }
    return rows;
  });
}

/** All entries, each before those within it, in the order in which they stand. */
export const allOf = (steps: readonly Entry[]): Placed[] =>
  rowsOf(steps).filter((it): it is Placed => "entry" in it);

const escaped = (step: string | number) => String(step).replaceAll("~", "~0").replaceAll("/", "~1");

/** The same way as a JSON pointer into the body of the definition. */
export const pointerTo = (path: Path) => (path.length > 0 ? `/steps/${keyOf(path)}` : "/steps");

/** The ids that an entry waits for by its own words; `null` if it says nothing of that. */
export const afterOf = (entry: Entry): string[] | null =>
  Array.isArray(entry.depends_on) ? entry.depends_on.filter((it) => typeof it === "string") : null;

/** Whether the entries of a list do not simply follow each other. */
export const isGraph = (entries: readonly Entry[]) => entries.some((it) => afterOf(it) !== null);
