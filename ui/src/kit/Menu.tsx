import { type KeyboardEvent, useId, useRef } from "react";
import { Icon } from "./Icon";
import s from "./Menu.module.css";

interface Props {
  /** What the button says. */
  label: string;
  /** How it is called, if what it says is not enough. */
  name?: string;
  options: readonly (readonly [value: string, label: string])[];
  onPick: (value: string) => void;
  id?: string;
  "aria-describedby"?: string;
}

/** How far from the edge of the window the list stays, and from the button. */
const [EDGE, GAP] = [8, 4];

/** A verb that needs one word more. Nothing is done before the word is picked: arrows only lead from one to the next. */
export function Menu({ label, name, options, onPick, ...rest }: Props) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const items = () => [...(list.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];

  const place = () => {
    const [shown, from] = [list.current, button.current?.getBoundingClientRect()];
    if (!shown || !from) return;
    const [above, below] = [from.top - GAP - EDGE, innerHeight - from.bottom - GAP - EDGE];
    const isBelow = below > 240 || below > above;
    Object.assign(shown.style, {
      left: `${from.left + scrollX}px`,
      minWidth: `${from.width}px`,
      maxHeight: `${isBelow ? below : above}px`,
      top: isBelow ? `${from.bottom + scrollY + GAP}px` : "auto",
      bottom: isBelow ? "auto" : `${innerHeight - from.top - scrollY + GAP}px`,
    });
  };
  const move = (event: KeyboardEvent) => {
    const all = items();
    const now = all.indexOf(document.activeElement as HTMLElement);
    const to =
      { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: -1 }[event.key] ?? begins(event.key, now);
    if (event.key === "Tab") list.current?.hidePopover();
    if (to === undefined) return;
    event.preventDefault();
    all.at(to % all.length)?.focus();
  };
  /** The next one that begins with a letter that was typed. */
  const begins = (key: string, now: number) => {
    const found = options.map((_, at) => (now + 1 + at) % options.length);
    return found.find(
      (at) => key.length === 1 && options[at]?.[1].toLowerCase().startsWith(key.toLowerCase()),
    );
  };
  return (
    <>
      <button
        {...rest}
        ref={button}
        type="button"
        className={s.button}
        popoverTarget={id}
        aria-label={name}
        aria-haspopup="menu"
        onKeyDown={(event) => {
          if (event.key !== "ArrowDown") return;
          event.preventDefault();
          list.current?.showPopover();
        }}
      >
        <span className="grow cut">{label}</span>
        <Icon name="chevron-down" small />
      </button>
      <div
        ref={list}
        id={id}
        popover="auto"
        role="menu"
        tabIndex={-1}
        aria-label={name ?? label}
        className={s.menu}
        onBeforeToggle={place}
        onToggle={(event) => event.newState === "open" && items()[0]?.focus()}
        onKeyDown={move}
      >
        {options.map(([value, text]) => (
          <button
            key={value}
            type="button"
            role="menuitem"
            tabIndex={-1}
            onClick={() => {
              list.current?.hidePopover();
              onPick(value);
            }}
          >
            {text}
          </button>
        ))}
      </div>
    </>
  );
}
