import type { Chunk } from "./queries";

/** A text in parts, those between `spans` (code points) marked. */
export function markedParts(
  text: string,
  spans: readonly (readonly number[])[],
): { text: string; hit: boolean }[] {
  const points = [...text];
  const parts: { text: string; hit: boolean }[] = [];
  let at = 0;
  for (const [start = 0, end = 0] of [...spans].sort(([a = 0], [b = 0]) => a - b)) {
    const from = Math.max(start, at);
    if (end <= from) continue;
    parts.push(
      { text: points.slice(at, from).join(""), hit: false },
      { text: points.slice(from, end).join(""), hit: true },
    );
    at = end;
  }
  parts.push({ text: points.slice(at).join(""), hit: false });
  return parts.filter((it) => it.text !== "");
}

/** A passage as it is shown after the one before it: what they share is told apart. */
export function partsOf(chunk: Chunk, before: Chunk | undefined): { shared: string; own: string } {
  const overlap = before && before.end > chunk.start ? before.end - chunk.start : 0;
  const points = [...chunk.text];
  return { shared: points.slice(0, overlap).join(""), own: points.slice(overlap).join("") };
}

/** Whether the page or the headings change here: a line says so. */
export const isNewPlace = (chunk: Chunk, before: Chunk | undefined) =>
  !before || before.page !== chunk.page || before.heading_path.join("\n") !== chunk.heading_path.join("\n");
