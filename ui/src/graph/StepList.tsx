import { type KeyboardEvent, useRef } from "react";
import { allOf, keyOf, placeWords } from "./entry";
import type { GraphProps } from "./Graph";
import s from "./Graph.module.css";
import { Step } from "./Step";

/** The entries one below the other, what is within another one further in. */
export function StepList({ steps, states, selected, onSelect, problems, onGap }: GraphProps) {
  const list = useRef<HTMLOListElement>(null);
  const all = allOf(steps);
  const keys = all.map((it) => keyOf(it.path));
  const isSelected = (at: number) => {
    const [entry, key] = [all[at]?.entry, keys[at]];
    return selected !== undefined && (entry?.id === selected || key === selected);
  };
  const reached = Math.max(
    0,
    all.findIndex((_, at) => isSelected(at)),
  );
  const move = (event: KeyboardEvent, way: string) => {
    const at = keys.indexOf(way);
    const next = event.key === "ArrowDown" ? at + 1 : event.key === "ArrowUp" ? at - 1 : null;
    if (next === null) return;
    event.preventDefault();
    list.current?.querySelectorAll<HTMLElement>("[data-way]")[next]?.focus();
  };
  if (all.length === 0)
    return onGap ? (
      <button type="button" className={s.gap} onClick={() => onGap([])}>
        Add here
      </button>
    ) : (
      <p className="dim">It has no entries.</p>
    );
  return (
    <ol ref={list} className={s.list} aria-label="Entries">
      {all.map(({ entry, within, depth, makesUp }, at) => {
        const id = typeof entry.id === "string" ? entry.id : "";
        const before = all[at - 1]?.within;
        const isNewPart = within?.part && (before?.id !== within.id || before.part !== within.part);
        return (
          <li key={keys[at]} style={{ "--depth": depth } as object}>
            {isNewPart && (
              <span className={s.part} dir="auto">
                {within.part}
              </span>
            )}
            <Step
              entry={entry}
              way={keys[at] ?? ""}
              place={placeWords({ within, makesUp })}
              state={states?.[id]}
              isRun={states !== undefined}
              problem={problems?.[id] ?? problems?.[keys[at] ?? ""]}
              isSelected={isSelected(at)}
              isReached={at === reached}
              look="line"
              onSelect={onSelect}
              onKeyDown={move}
            />
          </li>
        );
      })}
    </ol>
  );
}
