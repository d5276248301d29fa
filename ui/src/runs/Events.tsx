import { memo, useEffect, useRef, useState } from "react";
import type { RunEvent } from "../api/types";
import { Json } from "../kit/Code";
import { duration } from "../kit/format";
import { KindMark } from "../kit/Marks";
import { factsOf, kindOf } from "../parts/events";
import s from "./Runs.module.css";

/** So many events are drawn together, or left out as long as nobody comes near. */
const TOGETHER = 50;
/** How high one is that is closed. */
const HEIGHT = 32;

/** All events of a run, as they are stored: a new one comes at the end. */
export function Events({ events }: { events: readonly RunEvent[] }) {
  const [opened] = useState(() => new Set<number>());
  const begun = events[0]?.at ?? "";
  return (
    <section className={s.rail} aria-label="Events">
      {Array.from({ length: Math.ceil(events.length / TOGETHER) }, (_, at) => (
        <Some
          key={events[at * TOGETHER]?.seq}
          events={events.slice(at * TOGETHER, (at + 1) * TOGETHER)}
          {...{ begun, opened }}
        />
      ))}
    </section>
  );
}

interface SomeProps {
  events: readonly RunEvent[];
  begun: string;
  /** Which are open, also while they are left out. */
  opened: Set<number>;
}

const Some = memo(
  function Some({ events, begun, opened }: SomeProps) {
    const list = useRef<HTMLOListElement>(null);
    const extra = useRef(0);
    const [isNear, setNear] = useState(events[0]?.seq === 1);
    useEffect(() => {
      const seen = list.current;
      if (!seen) return;
      const look = new IntersectionObserver(
        (changes) => {
          const drawn = seen.childElementCount;
          if (drawn > 0) extra.current = seen.offsetHeight - drawn * HEIGHT;
          setNear(changes.at(-1)?.isIntersecting ?? true);
        },
        { rootMargin: "1500px 0px" },
      );
      look.observe(seen);
      return () => look.disconnect();
    }, []);
    const [first, last] = [events[0]?.seq, events.at(-1)?.seq];
    return (
      <ol
        ref={list}
        aria-label={`Events ${first} to ${last}`}
        style={isNear ? undefined : { height: events.length * HEIGHT + extra.current }}
      >
        {isNear && events.map((it) => <Event key={it.seq} event={it} begun={begun} opened={opened} />)}
      </ol>
    );
  },
  // A log only grows.
  (a, b) => a.events.length === b.events.length && a.begun === b.begun,
);

interface EventProps extends Omit<SomeProps, "events"> {
  event: RunEvent;
}

const Event = memo(function Event({ event, begun, opened }: EventProps) {
  const [isOpen, setOpen] = useState(opened.has(event.seq));
  const toggle = (next: boolean) => {
    if (next) opened.add(event.seq);
    else opened.delete(event.seq);
    setOpen(next);
  };
  return (
    <li className={s.ev}>
      <span className={s.seq}>{event.seq}</span>
      <span className={s.knot}>
        <KindMark kind={kindOf(event)} />
      </span>
      <details open={isOpen} onToggle={(it) => toggle(it.currentTarget.open)}>
        <summary>
          <code className="strong nowrap">{event.type}</code>
          <span className={`cut dim grow ${s.facts}`} dir="auto">
            {factsOf(event)}
          </span>
          <time className="small dim tnum nowrap end" dateTime={event.at}>
            +{duration(Date.parse(event.at) - Date.parse(begun))}
          </time>
        </summary>
        {isOpen && (
          <div>
            <Json value={event.data} title="Data" />
          </div>
        )}
      </details>
    </li>
  );
});
