/** Something that can be found by its name. */
export interface Findable {
  label: string;
  /** Also found by this. */
  hint?: string;
}

/**
 * Those that `query` finds, the best first: what begins with it, then what has a word that does, then what has it
 * anywhere, then what has its letters in order. Those of one rank stay in their order.
 */
export function found<T extends Findable>(query: string, items: readonly T[], limit = 12): T[] {
  const wanted = query.trim().toLowerCase();
  const ranked = items.map((item) => ({ item, rank: rankOf(wanted, item) })).filter((it) => it.rank < NOT);
  return ranked
    .sort((a, b) => a.rank - b.rank)
    .slice(0, limit)
    .map((it) => it.item);
}

const NOT = 9;

function rankOf(wanted: string, { label, hint }: Findable): number {
  if (wanted === "") return 0;
  const name = label.toLowerCase();
  if (name.startsWith(wanted)) return 1;
  if (name.split(/[\s_/.-]+/).some((word) => word.startsWith(wanted))) return 2;
  if (name.includes(wanted)) return 3;
  if (hint?.toLowerCase().includes(wanted)) return 4;
  return isSpread(wanted, name) ? 5 : NOT;
}

/** Whether all letters are there, in order. */
function isSpread(wanted: string, name: string): boolean {
  let from = 0;
  for (const letter of wanted) {
    const at = name.indexOf(letter, from);
    if (at < 0) return false;
    from = at + letter.length;
  }
  return true;
}

/** A name in parts, with what was typed told apart, to be shown bold. */
export function marked(query: string, label: string): { text: string; hit: boolean }[] {
  const wanted = query.trim().toLowerCase();
  const at = wanted ? label.toLowerCase().indexOf(wanted) : -1;
  if (at < 0) return [{ text: label, hit: false }];
  const parts = [
    { text: label.slice(0, at), hit: false },
    { text: label.slice(at, at + wanted.length), hit: true },
    { text: label.slice(at + wanted.length), hit: false },
  ];
  return parts.filter((it) => it.text);
}

/** The name that was meant by one that there is not: by at most a third of its letters another one. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const wanted = name.toLowerCase();
  const most = Math.max(1, Math.floor(wanted.length / 3));
  const near = names
    .map((it) => ({ it, far: distance(wanted, it.toLowerCase()) }))
    .filter(({ far }) => far <= most);
  return near.sort((a, b) => a.far - b.far)[0]?.it;
}

/** How many letters have to be put in, taken out or changed (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
