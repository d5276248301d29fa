import { useSyncExternalStore } from "react";
import { ago, clock } from "./format";

const EVERY_MS = 10_000;
let now = Date.now();
const readers = new Set<() => void>();
let timer = 0;

function subscribe(reader: () => void) {
  readers.add(reader);
  timer ||= window.setInterval(() => {
    now = Date.now();
    for (const it of readers) it();
  }, EVERY_MS);
  return () => {
    readers.delete(reader);
    if (readers.size === 0) {
      clearInterval(timer);
      timer = 0;
    }
  };
}

const EXACTLY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** How long ago something was; the exact time on hover. All of a page move on together. */
export function Time({ at }: { at: string }) {
  useSyncExternalStore(subscribe, () => now);
  const time = new Date(at);
  return (
    <time dateTime={at} title={EXACTLY.format(time)}>
      {ago(time, new Date())}
    </time>
  );
}

/** A time to come or gone by, with its day if that is another. */
export function Moment({ at }: { at: string }) {
  const time = new Date(at);
  return (
    <time dateTime={at} title={EXACTLY.format(time)}>
      {clock(time, new Date())}
    </time>
  );
}

/** A time of the day, to the second. */
export function Clock({ at }: { at: string }) {
  const time = new Date(at);
  return (
    <time dateTime={at} title={EXACTLY.format(time)}>
      {CLOCK.format(time)}
    </time>
  );
}
