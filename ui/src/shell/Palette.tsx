import { useEffect, useId, useMemo, useRef, useState } from "react";
import { found, marked } from "../kit/find";
import { Icon } from "../kit/Icon";
import { isComposing } from "../kit/keys";
import s from "./Shell.module.css";
import { type Choice, useChoices } from "./useChoices";

/** ⌘K: what can be done first, then what can be opened. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const dialog = useRef<HTMLDialogElement>(null);
  const list = useId();
  const choices = useChoices(query);
  const shown = useMemo(() => {
    const best = found(query, choices);
    return [...best.filter((it) => it.group === "Do"), ...best.filter((it) => it.group === "Open")];
  }, [query, choices]);
  useEffect(() => dialog.current?.showModal(), []);
  const chosen = shown[Math.min(at, shown.length - 1)];
  useEffect(() => {
    if (chosen) document.getElementById(`${list}-${chosen.id}`)?.scrollIntoView({ block: "nearest" });
  }, [chosen, list]);
  const choose = (choice: Choice | undefined) => {
    if (!choice) return;
    onClose();
    choice.choose();
  };
  const press = (event: React.KeyboardEvent) => {
    if (isComposing(event)) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && shown.length > 0) {
      event.preventDefault();
      setAt((before) => (Math.min(before, shown.length - 1) + step + shown.length) % shown.length);
    }
    if (event.key === "Enter") choose(chosen);
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape is the key; a click beside it does the same
    <dialog
      ref={dialog}
      className={s.palette}
      aria-label="Find or do"
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div className={s.ask}>
        <Icon name="search" />
        <input
          autoFocus
          role="combobox"
          aria-expanded
          aria-controls={list}
          aria-activedescendant={chosen && `${list}-${chosen.id}`}
          aria-label="Find or do"
          placeholder="Find or do…"
          value={query}
          onChange={(event) => {
            setQuery(event.target.value);
            setAt(0);
          }}
          onKeyDown={press}
        />
      </div>
      <div className={s.options} id={list} role="listbox" aria-label="Found">
        {shown.map((it, index) => (
          <div key={it.id} role="presentation">
            {shown[index - 1]?.group !== it.group && <h3 aria-hidden>{it.group}</h3>}
            {/* biome-ignore lint/a11y/useKeyWithClickEvents: Enter in the text chooses it */}
            <div
              id={`${list}-${it.id}`}
              role="option"
              aria-selected={it === chosen}
              className={s.option}
              onClick={() => choose(it)}
              onMouseMove={() => setAt(index)}
            >
              <Icon name={it.icon} />
              <span className="cut">
                {marked(query, it.label).map((part, n) =>
                  part.hit ? <b key={n}>{part.text}</b> : part.text,
                )}
              </span>
              {it.hint && <span className="dim small end nowrap">{it.hint}</span>}
            </div>
          </div>
        ))}
      </div>
      {shown.length === 0 && <p className={s.none}>Nothing is named “{query}”.</p>}
      <div className={s.keys} aria-hidden>
        <span>↑↓ choose</span>
        <span>↵ open</span>
        <span>esc close</span>
      </div>
    </dialog>
  );
}
