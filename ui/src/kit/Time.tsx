import { useSyncExternalStore } from "react";
import { ago } from "./format";

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

/** How long ago something was; the exact time on hover. All of a page move on together. */
export function Time({ at }: { at: string }) {
  useSyncExternalStore(subscribe, () => now);
  const time = new Date(at);
  return (
    <time dateTime={at} title={time.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "long" })}>
      {ago(time, new Date())}
    </time>
  );
}

/** A time of the day, to the second. */
export const Clock = ({ at }: { at: string }) => (
  <time
    dateTime={at}
    title={new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "long" })}
  >
    {new Date(at).toLocaleTimeString("en-GB")}
  </time>
);
