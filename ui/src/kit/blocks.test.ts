import { expect, test } from "vitest";
import { type Block, blocksOf, type Grown, grown, type Inline, inlineOf } from "./blocks";

/** A tree as one line, to be compared. */
const said = (blocks: Block[]): string => blocks.map(block).join(" ");
const words = (children: Inline[]): string => children.map(inline).join("");
function inline(it: Inline): string {
  if (it.kind === "text") return it.text;
  if (it.kind === "code") return `<c ${it.text}>`;
  return it.kind === "link" ? `<a ${it.href} ${words(it.children)}>` : `<${it.kind} ${words(it.children)}>`;
}
function block(it: Block): string {
  switch (it.kind) {
    case "paragraph":
      return `p(${words(it.children)})`;
    case "heading":
      return `h${it.level}(${words(it.children)})`;
    case "code":
      return `code[${it.language}](${it.text})`;
    case "quote":
      return `quote(${said(it.children)})`;
    case "list":
      return `${it.ordered ? `ol${it.start}` : "ul"}(${it.items.map((item) => `li(${said(item)})`).join("")})`;
    case "table":
      return `table(${[it.head, ...it.rows].map((row) => row.map(words).join("|")).join("/")})`;
    default:
      return "hr";
  }
}

test("blocks are told apart", () => {
  expect(said(blocksOf("# A *b*\n\nc\nd\n\n---\n> e\n> f"))).toBe("h1(A <em b>) p(c\nd) hr quote(p(e\nf))");
  expect(said(blocksOf("```js\nlet a = `b`;\n\n- no list\n```\nafter"))).toBe(
    "code[js](let a = `b`;\n\n- no list) p(after)",
  );
  expect(said(blocksOf("| a | b |\n|---|:-:|\n| 1 | `2` |\n| 3 |"))).toBe("table(a|b/1|<c 2>/3|)");
});

test("lists hold lists, paragraphs and code", () => {
  expect(said(blocksOf("- a\n- b\n  1. c\n  2. d\n\nend"))).toBe(
    "ul(li(p(a))li(p(b) ol1(li(p(c))li(p(d))))) p(end)",
  );
  expect(said(blocksOf("3. a\n\n   b\n4. c"))).toBe("ol3(li(p(a) p(b))li(p(c)))");
});

test("inside a line", () => {
  expect(words(inlineOf("**a *b*** `c*d*` ~~e~~ \\*f\\* snake_case_name"))).toBe(
    "<strong a <em b>> <c c*d*> <del e> *f* snake_case_name",
  );
  expect(words(inlineOf("see [it](https://a.example/x_y_z) and https://b.example/c."))).toBe(
    "see <a https://a.example/x_y_z it> and <a https://b.example/c https://b.example/c>.",
  );
});

test("nothing becomes a script, an image or HTML", () => {
  expect(words(inlineOf("[a](javascript:alert(1)) <img src=x onerror=alert(1)> [b](data:text/html,x)"))).toBe(
    "[a](javascript:alert(1)) <img src=x onerror=alert(1)> [b](data:text/html,x)",
  );
  expect(words(inlineOf("![secret](https://evil.example/?q=1)"))).toBe(
    "<a https://evil.example/?q=1 secret>",
  );
});

test("whatever is cut is read as far as it goes", () => {
  const whole =
    "# A\n\n- **b** `c`\n  - [d](https://e.example)\n\n```js\nf()\n```\n\n| g | h |\n|---|---|\n| 1 | 2 |";
  for (let end = 0; end <= whole.length; end++) expect(() => blocksOf(whole.slice(0, end))).not.toThrow();
  expect(said(blocksOf("```js\nf("))).toBe("code[js](f()");
});

test("deep nesting ends somewhere, and long text is read at once", () => {
  expect(() => blocksOf(`${">".repeat(5000)} a`)).not.toThrow();
  expect(() => blocksOf("*".repeat(3000))).not.toThrow();
  expect(() => blocksOf("[".repeat(3000))).not.toThrow();
});

/** Code in a list makes all that follows uncertain. */
const INSET = `Text

1. one

    deeper

   \`\`\`js
let x;

Not a paragraph
   \`\`\`

Text

\`\`\`
Text

Text`;

const LONG = `# Head

Some *words*, and
more of them.

- a

  still a
- b

Text after a list
1. one

    deeper

\`\`\`\`py

Code with an empty line

\`\`\`
\`\`\`\`

| a | b |
|---|---|
| 1 | 2 |

> quoted

עברית אחרי ציטוט

End`;

test("a text that grows is what it would be if it were read whole, wherever it is cut", () => {
  for (const text of [INSET, LONG]) {
    let now: Grown | undefined;
    for (let end = 0; end <= text.length; end++) {
      now = grown(now, text.slice(0, end));
      expect(now.blocks, text.slice(0, end)).toEqual(blocksOf(text.slice(0, end)));
    }
  }
  const now = grown(undefined, LONG);
  expect(now.count).toBeGreaterThan(5);
  expect(grown(now, "Another").blocks).toEqual(blocksOf("Another"));
});

test("what is settled is not read again", () => {
  const before = grown(undefined, `${LONG}\n\nNew`);
  const after = grown(before, `${LONG}\n\nNew words`);
  expect(after.blocks[0]).toBe(before.blocks[0]);
  expect(after.blocks.slice(0, before.count).every((it, at) => it === before.blocks[at])).toBe(true);
});
