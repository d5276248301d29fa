const NUMBER = new Intl.NumberFormat("en");
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const DAY_AND_YEAR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

export const count = (value: number) => NUMBER.format(value);

/** `6,104`, and from ten thousand on `11.2 k`. */
export function tokens(value: number): string {
  if (value < 10_000) return count(value);
  return value < 1_000_000 ? `${trim(value / 1000)} k` : `${trim(value / 1_000_000)} M`;
}

/** `0 ms`, `640 ms`, `9.1 s`, `3 m 04 s`, `2 h 05 m`, `3 d 4 h`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${trim(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

/** `$0`, `$0.0083`, `$0.041`, `$12.50`. */
export function money(usd: number): string {
  if (usd === 0) return "$0";
  if (usd >= 1) return `$${usd.toFixed(2)}`;
  return `$${Number(usd.toPrecision(2))}`;
}

/** `312 B`, `1.1 kB`, `9.2 MB`. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${trim(bytes / 1000)} kB` : `${trim(bytes / 1_000_000)} MB`;
}

/** Up to a day ago in words; before that the day. */
export function ago(at: Date, now: Date): string {
  const seconds = Math.round((now.getTime() - at.getTime()) / 1000);
  if (seconds < -59) return `in ${duration(-seconds * 1000)}`;
  if (seconds < 10) return "now";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  const sameYear = at.getFullYear() === now.getFullYear();
  return (sameYear ? DAY : DAY_AND_YEAR).format(at);
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const DAY_AND_CLOCK = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});

/** When something will be: `14:02:11`, on another day `1 Dec, 14:02`. */
export const clock = (at: Date, now: Date) =>
  (at.toDateString() === now.toDateString() ? CLOCK : DAY_AND_CLOCK).format(at);

/** The first of many characters: of an id what tells it from those beside it. */
export const shortId = (id: string) => (id.length > 13 ? id.slice(-8) : id);

export const plural = (n: number, one: string, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

const trim = (value: number) => (value < 100 ? value.toFixed(1) : String(Math.round(value)));
const two = (value: number) => String(value).padStart(2, "0");
