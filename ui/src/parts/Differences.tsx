import { diffLines, nearChanges } from "../kit/diff";
import { pretty } from "../kit/json";
import s from "./Versions.module.css";

interface Props<T> {
  before: T;
  after: T;
  /** The members that are compared. */
  members: readonly (keyof T & string)[];
}

/** What differs between two of a kind, member by member. */
export function Differences<T>({ before, after, members }: Props<T>) {
  const changed = members.filter((name) => pretty(before[name]) !== pretty(after[name]));
  return (
    <>
      {changed.length === 0 && <p className="sub">Nothing differs.</p>}
      {changed.map((name) => (
        <div key={name}>
          <h3 className="small">
            <code>{name}</code>
          </h3>
          <Diff before={textOf(before[name])} after={textOf(after[name])} />
        </div>
      ))}
    </>
  );
}

const textOf = (value: unknown) => (typeof value === "string" ? value : pretty(value ?? null));

const LOOK = { "+": s.add, "-": s.del, " ": s.same };

function Diff({ before, after }: { before: string; after: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <pre className={s.diff} tabIndex={0}>
      {nearChanges(diffLines(before, after)).map((it, at) => (
        <span key={at} className={it ? LOOK[it.sign] : s.same} dir="auto">
          {it ? `${it.sign} ${it.text}` : "  …"}
        </span>
      ))}
    </pre>
  );
}
