import { type ReactNode, useState } from "react";
import type { Listed } from "../api/pages";
import { Button } from "./Button";
import { Search } from "./Field";
import { type Findable, found } from "./find";
import { count, plural } from "./format";
import { Empty, ProblemNote, Skeleton } from "./Messages";
import { Toolbar } from "./Page";
import { type Column, More, Table } from "./Table";

interface Props<T> {
  /** What each of them is, in a word: `agent`. */
  noun: string;
  label: string;
  list: Listed<T>;
  columns: readonly Column<T>[];
  rowKey: (row: T) => string;
  /** What is said when there is none. */
  empty: { title: string; text: ReactNode; action?: ReactNode };
  /** By what one of many is found; a list that is short needs none. */
  find?: { hint: string; of: (row: T) => Findable };
  /** Beside how many there are. */
  note?: ReactNode;
}

/** With more than so many somebody looks for one by its name. */
const FEW = 8;
/** So many at most are found. */
const MOST_FOUND = 500;

/** A list in each of its states: on its way, refused, empty, or there. */
export function Listing<T>({ noun, label, list, columns, rowKey, empty, find, note }: Props<T>) {
  const [wanted, setWanted] = useState("");
  const { rows, isPending, error, refetch, more } = list;
  const shown = find && wanted ? foundRows(wanted, rows, find.of) : rows;
  if (isPending) return <Skeleton />;
  if (error && rows.length === 0) return <ProblemNote error={error} retry={refetch} />;
  if (rows.length === 0) {
    return (
      <Empty title={empty.title} action={empty.action}>
        {empty.text}
      </Empty>
    );
  }
  return (
    <>
      {find && rows.length > FEW && (
        <Toolbar>
          <Search label={`Search ${noun}s`} placeholder={find.hint} value={wanted} onChange={setWanted} />
        </Toolbar>
      )}
      {error !== null && <ProblemNote error={error} retry={refetch} />}
      <div>
        <Table label={label} columns={columns} rows={shown} rowKey={rowKey} />
        <More>
          {wanted ? `${plural(shown.length, noun)} of ${count(rows.length)}` : plural(rows.length, noun)}
          {note}
          {more && (
            <Button small busy={more.isLoading && "Reading…"} onClick={more.load}>
              More
            </Button>
          )}
        </More>
      </div>
    </>
  );
}

function foundRows<T>(wanted: string, rows: readonly T[], of: (row: T) => Findable): readonly T[] {
  const items = rows.map((row) => ({ ...of(row), row }));
  return found(wanted, items, MOST_FOUND).map((it) => it.row);
}
