import { type KeyboardEvent, memo } from "react";
import { cx } from "../kit/cx";
import { plural } from "../kit/format";
import { Icon } from "../kit/Icon";
import { KindMark, StatusMark } from "../kit/Marks";
import { afterWords, type Entry, idOf } from "./entry";
import s from "./Graph.module.css";
import type { EntryState } from "./state";
import { markOf, whatOf } from "./words";

interface Props {
  entry: Entry;
  way: string;
  /** What it stands in, in words. */
  place: string;
  state: EntryState | undefined;
  /** Whether what is shown is a run: then what it has not come to is told. */
  isRun: boolean;
  problem: string | undefined;
  isSelected: boolean;
  /** It is the one that the Tab key leads to. */
  isReached: boolean;
  look: "node" | "head" | "line";
  onSelect: ((id: string, way: string) => void) | undefined;
  onKeyDown?: (event: KeyboardEvent, way: string) => void;
}

/** An entry, as one thing that can be picked: what it is, and how far a run is with it. One that stays is not drawn again. */
export const Step = memo(function Step(props: Props) {
  const { entry, way, place, state, isRun, problem, isSelected, isReached, look } = props;
  const { onSelect, onKeyDown } = props;
  const id = idOf(entry);
  // In the drawing there are lines for it.
  const after = look === "line" && afterWords(entry);
  const words = whatOf(entry);
  const content = (
    <>
      <KindMark kind={markOf(entry.type)} />
      <span className={s.words}>
        <b className="cut">
          <bdi>{id || "without an id"}</bdi>
        </b>
        <small className="cut" dir="auto" title={after ? `${words}, ${after}` : words}>
          {words}
          {after && <span aria-hidden>, {after}</span>}
        </small>
      </span>
      {place && <span className="vh">, {place}</span>}
      {state && <StateOf state={state} />}
      {isRun && !state && <span className="vh">, to come</span>}
      {problem && (
        <span className={s.problem} title={problem}>
          <Icon name="octagon-x" small label={`Wrong: ${problem}`} />
        </span>
      )}
    </>
  );
  const shown = {
    className: cx(s.step, s[look], state ? s[state.status] : isRun && s.todo, problem && s.wrong),
    "data-way": way,
    "data-selected": isSelected || undefined,
  };
  if (!onSelect) return <div {...shown}>{content}</div>;
  return (
    <button
      type="button"
      {...shown}
      aria-pressed={isSelected}
      tabIndex={isReached ? 0 : -1}
      onClick={() => onSelect(id, way)}
      onKeyDown={(event) => onKeyDown?.(event, way)}
    >
      {content}
    </button>
  );
});

const STATUS = {
  waiting: "waiting",
  running: "running",
  done: "succeeded",
  failed: "failed",
  canceled: "canceled",
} as const;

function StateOf({ state }: { state: EntryState }) {
  const { status, turns, detail } = state;
  const more = [turns === undefined ? "" : plural(turns, "turn"), detail ?? ""].filter(Boolean).join(", ");
  return (
    <span className={s.state}>
      {status === "skipped" ? (
        <span className="dim">
          <Icon name="circle-slash" small label="Not taken" />
        </span>
      ) : (
        <StatusMark status={STATUS[status]} />
      )}
      {more && (
        <small className="tnum" title={more}>
          {more}
        </small>
      )}
    </span>
  );
}
