import { useMemo, useState } from "react";
import { Copy } from "./Button";
import s from "./Code.module.css";
import { size } from "./format";
import { piecesOf, pretty } from "./json";

const LINES = 40;

/** A JSON value to be read: coloured, cut after 40 lines until asked for, with its size. */
export function Json({ value, title }: { value: unknown; title?: string }) {
  const text = useMemo(() => pretty(value), [value]);
  return <Code text={text} json {...(title ? { title } : {})} />;
}

/** Text in the face of code, with a button that copies it. */
export function Code({ text, title, json = false }: { text: string; title?: string; json?: boolean }) {
  const [isWhole, setWhole] = useState(false);
  const lines = useMemo(() => text.split("\n"), [text]);
  const shown = isWhole || lines.length <= LINES ? text : lines.slice(0, LINES).join("\n");
  return (
    <figure aria-label={title}>
      {title && (
        <figcaption className={s.head}>
          {title}
          <span className="small dim end">{text.length > 1000 && size(new Blob([text]).size)}</span>
          <Copy text={text} what={title.toLowerCase()} />
        </figcaption>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
      <pre className={s.code} tabIndex={0} dir="auto">
        {json
          ? piecesOf(shown).map((it, at) => (
              <span key={at} className={it.look === "plain" ? undefined : s[it.look]}>
                {it.text}
              </span>
            ))
          : shown}
      </pre>
      {shown !== text && (
        <button type="button" className={s.all} onClick={() => setWhole(true)}>
          Show all {lines.length} lines
        </button>
      )}
    </figure>
  );
}
