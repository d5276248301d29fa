/** Text inside a line. */
export type Inline =
  | { kind: "text"; text: string }
  | { kind: "code"; text: string }
  | { kind: "strong" | "em" | "del"; children: Inline[] }
  | { kind: "link"; href: string; children: Inline[] };

export type Block =
  | { kind: "paragraph"; children: Inline[] }
  | { kind: "heading"; level: number; children: Inline[] }
  | { kind: "code"; language: string; text: string }
  | { kind: "quote"; children: Block[] }
  | { kind: "list"; ordered: boolean; start: number; items: Block[][] }
  | { kind: "table"; head: Inline[][]; rows: Inline[][][] }
  | { kind: "rule" };

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const ITEM = /^( {0,3})([-*+]|(\d{1,9})[.)])(?:\s+(.*)|\s*)$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const TABLE_LINE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

/**
 * Markdown as models write it, as a tree. There is no HTML in it: what looks like some is text. Whatever is cut in the
 * middle, as it is while it streams in, is read as far as it goes.
 */
export function blocksOf(text: string): Block[] {
  return parseBlocks(text.replaceAll("\r\n", "\n").split("\n"), 0);
}

/** A text in its blocks, as it grows. */
export interface Grown {
  text: string;
  blocks: Block[];
  /** So much of the text is in so many of the blocks, and nothing that follows changes them. */
  settled: number;
  count: number;
}

const NOTHING: Grown = { text: "", blocks: [], settled: 0, count: 0 };

/** Reads `text` like `blocksOf`, but what is settled once only: a long answer streams in, piece by piece. */
export function grown({ text: before, blocks, settled, count }: Grown = NOTHING, text: string): Grown {
  if (!text.startsWith(before.slice(0, settled))) return grown(NOTHING, text);
  const rest = text.slice(settled);
  const cut = settledIn(rest);
  const kept =
    cut > 0 ? [...blocks.slice(0, count), ...blocksOf(rest.slice(0, cut))] : blocks.slice(0, count);
  return {
    text,
    blocks: [...kept, ...blocksOf(rest.slice(cut))],
    settled: settled + cut,
    count: kept.length,
  };
}

/**
 * Where the last block begins that certainly is one by itself: after an empty line, with a letter. Code that is inset may
 * belong to a list: nothing behind it is certain.
 */
function settledIn(text: string): number {
  let [at, cut, isAfterEmpty] = [0, 0, false];
  let close: RegExp | null = null;
  for (const line of text.split("\n")) {
    const fence = close ? null : FENCE.exec(line);
    if (fence && line.startsWith(" ")) return cut;
    if (close?.test(line)) close = null;
    else if (fence) close = closing(fence);
    else if (!close && isAfterEmpty && /^\p{L}/u.test(line)) cut = at;
    isAfterEmpty = !close && line.trim() === "";
    at += line.length + 1;
  }
  return cut;
}

/** What ends a block of code that begins so. */
const closing = (fence: RegExpExecArray) => new RegExp(`^ {0,3}${fence[1]?.[0]}{${fence[1]?.length},}\\s*$`);

const MAX_DEPTH = 8;

function parseBlocks(lines: string[], depth: number): Block[] {
  const blocks: Block[] = [];
  let paragraph: string[] = [];
  const end = () => {
    if (paragraph.length > 0) blocks.push({ kind: "paragraph", children: inlineOf(paragraph.join("\n")) });
    paragraph = [];
  };
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? "";
    const fence = FENCE.exec(line);
    const heading = HEADING.exec(line);
    const item = ITEM.exec(line);
    const quote = QUOTE.exec(line);
    if (line.trim() === "") {
      end();
    } else if (fence) {
      end();
      const close = closing(fence);
      const found = lines.findIndex((it, index) => index > at && close.test(it));
      const last = found < 0 ? lines.length : found;
      blocks.push({
        kind: "code",
        language: fence[2]?.trim() ?? "",
        text: lines.slice(at + 1, last).join("\n"),
      });
      at = last;
    } else if (heading) {
      end();
      blocks.push({ kind: "heading", level: heading[1]?.length ?? 1, children: inlineOf(heading[2] ?? "") });
    } else if (RULE.test(line)) {
      end();
      blocks.push({ kind: "rule" });
    } else if (quote && depth < MAX_DEPTH) {
      end();
      const inner: string[] = [];
      for (; at < lines.length && QUOTE.test(lines[at] ?? ""); at++)
        inner.push(QUOTE.exec(lines[at] ?? "")?.[1] ?? "");
      at--;
      blocks.push({ kind: "quote", children: parseBlocks(inner, depth + 1) });
    } else if (item && depth < MAX_DEPTH && (paragraph.length === 0 || item[4])) {
      end();
      at = parseList(lines, at, depth, blocks);
    } else if (
      line.includes("|") &&
      TABLE_LINE.test(lines[at + 1] ?? "") &&
      (lines[at + 1] ?? "").includes("-")
    ) {
      end();
      const head = cells(line).map(inlineOf);
      const rows: Inline[][][] = [];
      for (at += 2; at < lines.length && (lines[at] ?? "").includes("|"); at++) {
        const row = cells(lines[at] ?? "");
        rows.push(head.map((_, column) => inlineOf(row[column] ?? "")));
      }
      at--;
      blocks.push({ kind: "table", head, rows });
    } else {
      paragraph.push(line.trimStart());
    }
  }
  end();
  return blocks;
}

/** Reads the list that begins at `at`, and says which line is its last. */
function parseList(lines: string[], at: number, depth: number, blocks: Block[]): number {
  const first = ITEM.exec(lines[at] ?? "");
  const ordered = first?.[3] !== undefined;
  const items: string[][] = [];
  let inset = 0;
  for (; at < lines.length; at++) {
    const line = lines[at] ?? "";
    const indent = line.length - line.trimStart().length;
    const item = ITEM.exec(line);
    const isInside = items.length > 0 && indent >= inset;
    if (item && !isInside && (item[3] !== undefined) === ordered) {
      inset = (item[1]?.length ?? 0) + (item[2]?.length ?? 1) + 1;
      items.push([item[4] ?? ""]);
    } else if (line.trim() === "") {
      const next = lines[at + 1] ?? "";
      const goesOn =
        next.trim() !== "" && (next.length - next.trimStart().length >= inset || ITEM.test(next));
      if (!goesOn) break;
      items.at(-1)?.push("");
    } else if (isInside) {
      items.at(-1)?.push(line.slice(inset));
    } else if (!item && !FENCE.test(line) && !HEADING.test(line) && items.at(-1)?.at(-1)?.trim()) {
      items.at(-1)?.push(line.trimStart());
    } else {
      break;
    }
  }
  const start = Number(first?.[3] ?? 1);
  blocks.push({ kind: "list", ordered, start, items: items.map((it) => parseBlocks(it, depth + 1)) });
  return at - 1;
}

function cells(line: string): string[] {
  const inner = line
    .trim()
    .replace(/^\|/, "")
    .replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((it) => it.trim().replaceAll("\\|", "|"));
}

const INLINE =
  /\\([\\`*_{}[\]()#+\-.!|>~])|(`+)(.+?)(?<!`)\2(?!`)|\*\*(?=\S)(.+?)(?<=\S)\*\*(?!\*)|__(?=\S)(.+?)(?<=\S)__(?!\w)|~~(?=\S)(.+?)(?<=\S)~~|\*(?=\S)(.+?)(?<=\S)\*|(?<!\w)_(?=\S)(.+?)(?<=\S)_(?!\w)|!?\[([^\]]*)\]\(\s*<?([^\s)>]+)>?(?:\s+"[^"]*")?\s*\)|(https?:\/\/[^\s<>)\]]+[^\s<>)\].,;:!?"'])/s;

/** The pieces of a line. A link leads to `http`, `https` or `mailto`, or it is text; a picture is a link to it. */
export function inlineOf(text: string, depth = 0): Inline[] {
  const found: Inline[] = [];
  let rest = text;
  const say = (part: string) => {
    const last = found.at(-1);
    if (!part) return;
    if (last?.kind === "text") last.text += part;
    else found.push({ kind: "text", text: part });
  };
  for (let match = INLINE.exec(rest); match && depth < MAX_DEPTH; match = INLINE.exec(rest)) {
    const [whole, escaped, , code, strong, strong2, del, em, em2, label, href, bare] = match;
    say(rest.slice(0, match.index));
    rest = rest.slice(match.index + whole.length);
    const inner = (it: string) => inlineOf(it, depth + 1);
    if (escaped !== undefined) say(escaped);
    else if (code !== undefined) found.push({ kind: "code", text: code.trim() || code });
    else if (strong ?? strong2) found.push({ kind: "strong", children: inner(strong ?? strong2 ?? "") });
    else if (del !== undefined) found.push({ kind: "del", children: inner(del) });
    else if (em ?? em2) found.push({ kind: "em", children: inner(em ?? em2 ?? "") });
    else if (href !== undefined && isSafe(href))
      found.push({ kind: "link", href, children: inner(label || href) });
    else if (bare !== undefined)
      found.push({ kind: "link", href: bare, children: [{ kind: "text", text: bare }] });
    else say(whole);
  }
  say(rest);
  return found;
}

const isSafe = (href: string) => /^(https?:|mailto:)/i.test(href);
