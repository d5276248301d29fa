import { type ReactNode, useLayoutEffect, useRef, useState } from "react";
import { cx } from "./cx";
import s from "./Table.module.css";
import { rowsToDraw } from "./window";

export interface Column<T> {
  head: string;
  cell: (row: T) => ReactNode;
  /** Numbers and times stand at the right. */
  end?: boolean;
  /** Takes the room that is left, and is cut. */
  wide?: string;
  /** Where it goes on a narrow screen; without, it is left out there. */
  narrow?: "title" | "line" | "end";
}

interface Props<T> {
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string;
  /** Lower rows, for who looks for one of many. */
  dense?: boolean;
}

/** As long as a list is this short, it is drawn whole. */
const SHORT = 80;

/** Rows, not boxes. Of a long list only what is seen is drawn. */
export function Table<T>({ label, columns, rows, rowKey, dense = false }: Props<T>) {
  const body = useRef<HTMLTableSectionElement>(null);
  const isLong = rows.length > SHORT;
  const { first, end, row } = useRowsToDraw(body, isLong, rows.length);
  return (
    <div className={s.bleed}>
      <table className={cx(s.table, dense && s.dense)} aria-label={label} aria-rowcount={rows.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((it) => (
              <th key={it.head} className={cx(it.end && s.end)} scope="col">
                {it.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {first > 0 && <Spacer height={first * row} span={columns.length} />}
          {rows.slice(first, end).map((it, at) => (
            <tr key={rowKey(it)} aria-rowindex={first + at + 2} data-row>
              {columns.map((column) => (
                <td
                  key={column.head}
                  data-n={column.narrow}
                  className={cx(column.end && s.end, column.wide && s.wide)}
                  style={column.wide ? ({ "--w": column.wide } as object) : undefined}
                >
                  {column.cell(it)}
                </td>
              ))}
            </tr>
          ))}
          {end < rows.length && <Spacer height={(rows.length - end) * row} span={columns.length} />}
        </tbody>
      </table>
    </div>
  );
}

const Spacer = ({ height, span }: { height: number; span: number }) => (
  <tr className={s.spacer} aria-hidden style={{ height }}>
    <td colSpan={span} style={{ height }} />
  </tr>
);

/** Follows the scrolling of the page. All rows are as high as the first one that is drawn. */
function useRowsToDraw(
  body: React.RefObject<HTMLTableSectionElement | null>,
  isLong: boolean,
  count: number,
) {
  const [seen, setSeen] = useState({ top: 0, height: 900, row: 38 });
  useLayoutEffect(() => {
    if (!isLong) return;
    let frame = 0;
    const look = () => {
      frame = 0;
      const shown = body.current;
      const first = shown?.querySelector("[data-row]");
      if (!shown || !first) return;
      const next = {
        top: -shown.getBoundingClientRect().top,
        height: innerHeight,
        row: first.getBoundingClientRect().height || 38,
      };
      setSeen((before) => {
        const [a, b] = [before, next].map((it) => rowsToDraw(it.top, it.height, it.row, count));
        const isSame = a?.first === b?.first && a?.end === b?.end && before.row === next.row;
        return isSame ? before : next;
      });
    };
    const soon = () => {
      frame ||= requestAnimationFrame(look);
    };
    look();
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener("scroll", soon);
      removeEventListener("resize", soon);
    };
  }, [body, isLong, count]);
  if (!isLong) return { first: 0, end: count, row: seen.row };
  return { ...rowsToDraw(seen.top, seen.height, seen.row, count), row: seen.row };
}

/** The class of the link that a row is opened by. */
export const nameClass = s.name;

export const More = ({ children }: { children: ReactNode }) => <div className={s.more}>{children}</div>;
