/** What a piece of JSON is: the editor and what is only read use the same five colours. */
export type Look = "key" | "string" | "number" | "word" | "plain";

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g;

/** JSON in its pieces, in order; together they are the text again. */
export function piecesOf(text: string): { look: Look; text: string }[] {
  const pieces: { look: Look; text: string }[] = [];
  let at = 0;
  const add = (look: Look, part: string) => part && pieces.push({ look, text: part });
  for (const match of text.matchAll(TOKEN)) {
    const [whole, string, colon, number] = match;
    add("plain", text.slice(at, match.index));
    at = match.index + whole.length;
    if (string !== undefined) {
      add(colon === undefined ? "string" : "key", string);
      add("plain", colon ?? "");
    } else {
      add(number === undefined ? "word" : "number", whole);
    }
  }
  add("plain", text.slice(at));
  return pieces;
}

/** The value of a text, or what is wrong with it and in which line. */
export function parseJson(text: string): { value: unknown } | { error: string; line: number | null } {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const at = /position (\d+)/.exec(message);
    const isEnd = /end of JSON/.test(message);
    const position = at ? Number(at[1]) : isEnd ? text.length : null;
    const line = position === null ? null : text.slice(0, position).split("\n").length;
    return { error: message.replace(/ in JSON at position \d+.*$/s, "").replace(/, \.\.\..*$/s, ""), line };
  }
}

/** Reads a JSON object that may be left empty. */
export function parseObject(text: string): { value: Record<string, unknown> | null } | { error: string } {
  if (text.trim() === "") return { value: null };
  const parsed = parseJson(text);
  if ("error" in parsed)
    return { error: parsed.line ? `Line ${parsed.line}: ${parsed.error}` : parsed.error };
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { error: "It must be a JSON object" };
  return { value: value as Record<string, unknown> };
}

/** A value as it is shown and edited. */
export const pretty = (value: unknown) => JSON.stringify(value, null, 2) ?? "";
