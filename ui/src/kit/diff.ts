/** A line of a comparison. */
export interface DiffLine {
  sign: "+" | "-" | " ";
  text: string;
}

/** Longer texts are not compared line by line: all of the one goes, all of the other comes. */
const MOST = 2000;

/** What makes `after` of `before`, line by line, as few lines as there can be. */
export function diffLines(before: string, after: string): DiffLine[] {
  const [a, b] = [before.split("\n"), after.split("\n")];
  if (a.length > MOST || b.length > MOST) return [...a.map(line("-")), ...b.map(line("+"))];
  // The longest common subsequence of what follows each pair of lines.
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  const at = (i: number, j: number) => common[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    const row = common[i];
    if (!row) continue;
    for (let j = b.length - 1; j >= 0; j--)
      row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  }
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ sign: " ", text: a[i++] ?? "" });
      j++;
    } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ sign: "-", text: a[i++] ?? "" });
    } else {
      lines.push({ sign: "+", text: b[j++] ?? "" });
    }
  }
  return lines;
}

const line = (sign: "+" | "-") => (text: string) => ({ sign, text });

/** A comparison without the lines that are the same for long: `near` of them stay around each change. */
export function nearChanges(lines: readonly DiffLine[], near = 3): (DiffLine | null)[] {
  const isNear = (at: number) =>
    lines.slice(Math.max(at - near, 0), at + near + 1).some((it) => it.sign !== " ");
  const shown: (DiffLine | null)[] = [];
  lines.forEach((it, at) => {
    if (isNear(at)) shown.push(it);
    else if (shown.at(-1) !== null) shown.push(null);
  });
  return shown;
}
