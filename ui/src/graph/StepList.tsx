import { type KeyboardEvent, useMemo, useRef } from "react";
import { keyOf, type PartHead, placeWords, rowsOf } from "./entry";
import type { GraphProps } from "./Graph";
import s from "./Graph.module.css";
import { Step } from "./Step";
import { useLatest } from "./useLatest";
import { predicateWords } from "./words";

/** The entries one below the other, what is within another one further in. */
export function StepList({ steps, states, selected, onSelect, problems, onGap }: GraphProps) {
  const list = useRef<HTMLOListElement>(null);
  const rows = useMemo(() => rowsOf(steps), [steps]);
  const isSelected = (it: (typeof rows)[number]) =>
    selected !== undefined && "entry" in it && [it.entry.id, keyOf(it.path)].includes(selected);
  const reached = rows.find(isSelected) ?? rows[0];
  const select = useLatest((id: string, way: string) => onSelect?.(id, way));
  const move = useLatest((event: KeyboardEvent, way: string) => {
    const all = [...(list.current?.querySelectorAll<HTMLElement>("[data-way]") ?? [])];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    all[all.findIndex((it) => it.dataset.way === way) + step]?.focus();
  });
  if (rows.length === 0)
    return onGap ? (
      <button type="button" className={s.gap} onClick={() => onGap([])}>
        Add here
      </button>
    ) : (
      <p className="dim">It has no entries.</p>
    );
  return (
    <ol ref={list} className={s.list} aria-label="Entries">
      {rows.map((it) => {
        const way = keyOf(it.path);
        if ("part" in it) return <Head key={way} of={it} onGap={onGap} />;
        const id = typeof it.entry.id === "string" ? it.entry.id : "";
        return (
          <li key={way} style={{ "--depth": it.depth } as object}>
            <Step
              entry={it.entry}
              way={way}
              place={placeWords(it)}
              state={states?.[id]}
              isRun={states !== undefined}
              problem={problems?.[id] ?? problems?.[way]}
              isSelected={isSelected(it)}
              isReached={it === reached}
              look="line"
              onSelect={onSelect && select}
              onKeyDown={move}
            />
          </li>
        );
      })}
    </ol>
  );
}

/** What a part is called and when it is taken; if there is nothing in it, that. */
function Head({ of: { part, path, depth }, onGap }: { of: PartHead; onGap: GraphProps["onGap"] }) {
  const isEmpty = part.entries.length === 0;
  if (part.name === "" && !isEmpty) return null;
  return (
    <li className={s.part} style={{ "--depth": depth } as object}>
      {part.name !== "" && (
        <span dir="auto">{"when" in part ? `${part.name}: ${predicateWords(part.when)}` : part.name}</span>
      )}
      {isEmpty &&
        (onGap ? (
          <button type="button" className={s.gap} onClick={() => onGap(path)}>
            Add here
          </button>
        ) : (
          <span className={s.gap}>nothing</span>
        ))}
    </li>
  );
}
