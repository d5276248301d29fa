import { memo, type ReactNode, type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { cx } from "./cx";
import s from "./Table.module.css";
import { placesOf, rowsToDraw } from "./window";

export interface Column<T> {
  head: string;
  cell: (row: T) => ReactNode;
  /** Its head is only said: what stands under it speaks for itself. */
  unseen?: boolean;
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
  const head = useRef<HTMLTableRowElement>(null);
  const isLong = rows.length > SHORT;
  const { first, end, row } = useRowsToDraw(body, isLong, rows.length);
  const widths = useWidths(head, isLong);
  const placeOf = usePlaces(body, isLong, first, end);
  return (
    <div className={s.bleed}>
      <table
        className={cx(s.table, dense && s.dense, widths && s.fixed)}
        aria-label={label}
        aria-rowcount={rows.length + 1}
      >
        <thead>
          <tr aria-rowindex={1} ref={head}>
            {columns.map((it, at) => (
              <th
                key={it.head}
                className={cx(it.end && s.end)}
                scope="col"
                style={widths ? { width: widths[at] } : undefined}
              >
                <span className={cx(it.unseen && "vh")}>{it.head}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {first > 0 && <Spacer height={first * row} span={columns.length} />}
          {rows.slice(first, end).map((it, at) => (
            <Row
              key={placeOf(first + at) ?? rowKey(it)}
              row={it}
              columns={columns as readonly Column<unknown>[]}
              index={first + at + 2}
            />
          ))}
          {end < rows.length && <Spacer height={(rows.length - end) * row} span={columns.length} />}
        </tbody>
      </table>
    </div>
  );
}

interface RowProps {
  row: unknown;
  columns: readonly Column<unknown>[];
  /** From 1; that of the heads is the first. */
  index: number;
}

/** A row that stays while others are scrolled through is not drawn again. */
const Row = memo(function Row({ row, columns, index }: RowProps) {
  return (
    <tr aria-rowindex={index} data-row>
      {columns.map((column) => (
        <td
          key={column.head}
          data-n={column.narrow}
          className={cx(column.end && s.end, column.wide && s.wide)}
          style={column.wide ? ({ "--w": column.wide } as object) : undefined}
        >
          {column.cell(row)}
        </td>
      ))}
    </tr>
  );
});

const Spacer = ({ height, span }: { height: number; span: number }) => (
  <tr className={s.spacer} aria-hidden style={{ height }}>
    <td colSpan={span} style={{ height }} />
  </tr>
);

/**
 * The widths that the columns of a long list have by its first rows, as shares: other rows neither change them nor have to
 * be measured.
 */
function useWidths(head: RefObject<HTMLTableRowElement | null>, isLong: boolean) {
  const [widths, setWidths] = useState<readonly string[] | null>(null);
  useLayoutEffect(() => {
    if (!isLong || widths || !head.current) return;
    const all = [...head.current.cells].map((it) => it.getBoundingClientRect().width);
    const whole = all.reduce((sum, it) => sum + it, 0);
    setWidths(all.map((it) => `${((100 * it) / whole).toFixed(2)}%`));
  }, [head, isLong, widths]);
  useEffect(() => {
    const again = () => setWidths(null);
    addEventListener("resize", again);
    return () => removeEventListener("resize", again);
  }, []);
  return isLong ? widths : null;
}

/** In which place of the page a row of a long list is drawn. What had the focus goes with its row, as if it were taken away. */
function usePlaces(
  body: RefObject<HTMLTableSectionElement | null>,
  isLong: boolean,
  first: number,
  end: number,
) {
  const places = useRef<ReadonlyMap<number, number>>(new Map());
  const focused = useRef<string | null>(null);
  places.current = isLong ? placesOf(places.current, first, end) : new Map();
  useLayoutEffect(() => {
    const row = document.activeElement?.closest("[data-row]");
    if (!isLong || !row || !body.current?.contains(row)) return;
    if (focused.current !== null && focused.current !== row.getAttribute("aria-rowindex"))
      (document.activeElement as HTMLElement).blur();
  });
  useEffect(() => {
    const shown = body.current;
    const remember = () => {
      focused.current = document.activeElement?.closest("[data-row]")?.getAttribute("aria-rowindex") ?? null;
    };
    shown?.addEventListener("focusin", remember);
    return () => shown?.removeEventListener("focusin", remember);
  }, [body]);
  return (row: number) => places.current.get(row);
}

/** Follows the scrolling of the page. All rows are as high as the first one that is drawn. */
function useRowsToDraw(body: RefObject<HTMLTableSectionElement | null>, isLong: boolean, count: number) {
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
    // Within the frame that shows them: no gap is seen.
    const soon = () => {
      frame ||= requestAnimationFrame(() => flushSync(look));
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
