import { memo } from "react";
import type { RunEvent } from "../api/types";
import { Json } from "../kit/Code";
import { duration } from "../kit/format";
import { KindMark } from "../kit/Marks";
import { factsOf, kindOf } from "../parts/events";
import s from "./Runs.module.css";

/** All events of a run, as they are stored: a new one comes at the end. */
export function Events({ events }: { events: readonly RunEvent[] }) {
  const begun = events[0]?.at ?? "";
  return (
    <ol className={s.rail} aria-label="Events">
      {events.map((it) => (
        <Event key={it.seq} event={it} begun={begun} />
      ))}
    </ol>
  );
}

const Event = memo(function Event({ event, begun }: { event: RunEvent; begun: string }) {
  return (
    <li className={s.ev}>
      <span className={s.seq}>{event.seq}</span>
      <span className={s.knot}>
        <KindMark kind={kindOf(event)} />
      </span>
      <details>
        <summary>
          <code className="strong nowrap">{event.type}</code>
          <span className={`cut dim grow ${s.facts}`} dir="auto">
            {factsOf(event)}
          </span>
          <time className="small dim tnum nowrap end" dateTime={event.at}>
            +{duration(Date.parse(event.at) - Date.parse(begun))}
          </time>
        </summary>
        <div>
          <Json value={event.data} title="Data" />
        </div>
      </details>
    </li>
  );
});
