import { Fragment, memo, type ReactNode, useEffect, useMemo, useRef } from "react";
import { type Block, type Grown, grown, type Inline } from "./blocks";
import { Code } from "./Code";
import s from "./Markdown.module.css";

/** What a model wrote. No HTML comes of it: it is a tree of elements of ours. */
export const Markdown = memo(function Markdown({ text }: { text: string }) {
  const before = useRef<Grown>(undefined);
  const now = useMemo(() => grown(before.current, text), [text]);
  useEffect(() => {
    before.current = now;
  }, [now]);
  return (
    <div className={s.md} dir="auto">
      <Blocks blocks={now.blocks} />
    </div>
  );
});

const Blocks = ({ blocks }: { blocks: Block[] }) => blocks.map((it, at) => <One key={at} block={it} />);

/** What stays the same while a text grows is not drawn again. */
const One = memo(function One({ block: it }: { block: Block }): ReactNode {
  switch (it.kind) {
    case "paragraph":
      return (
        <p dir="auto">
          <Inlines of={it.children} />
        </p>
      );
    case "heading": {
      // The page and the message have headings above these.
      const Heading = it.level < 3 ? "h3" : "h4";
      return (
        <Heading>
          <Inlines of={it.children} />
        </Heading>
      );
    }
    case "code":
      return <Code text={it.text} title={it.language || "Code"} />;
    case "quote":
      return (
        <blockquote>
          <Blocks blocks={it.children} />
        </blockquote>
      );
    case "list": {
      const items = it.items.map((item, at) => (
        <li key={at}>
          <Blocks blocks={item} />
        </li>
      ));
      return it.ordered ? <ol start={it.start}>{items}</ol> : <ul>{items}</ul>;
    }
    case "table":
      return (
        <div className={s.scroll}>
          <table>
            <thead>
              <tr>
                {it.head.map((cell, at) => (
                  <th key={at}>
                    <Inlines of={cell} />
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {it.rows.map((row, at) => (
                <tr key={at}>
                  {row.map((cell, column) => (
                    <td key={column}>
                      <Inlines of={cell} />
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      );
    default:
      return <hr />;
  }
});

function Inlines({ of }: { of: Inline[] }) {
  return of.map((it, at) => {
    switch (it.kind) {
      case "text":
        return <Fragment key={at}>{it.text}</Fragment>;
      case "code":
        return <code key={at}>{it.text}</code>;
      case "link":
        return (
          <a key={at} href={it.href} target="_blank" rel="noreferrer nofollow">
            <Inlines of={it.children} />
          </a>
        );
      default: {
        const Element = it.kind;
        return (
          <Element key={at}>
            <Inlines of={it.children} />
          </Element>
        );
      }
    }
  });
}
