/** What begins runs of a workflow by itself, and how it is now. Members that its type does not have are absent or null. */
export interface Trigger {
  id: string;
  /** `api`, `webhook`, `cron` or `event`. */
  type: string;
  path?: string | null;
  url?: string | null;
  method?: string | null;
  signature?: string | null;
  cron?: string | null;
  timezone?: string | null;
  missed?: string | null;
  input?: unknown;
  name?: string | null;
  key?: unknown;
  paused: boolean;
  paused_at?: string | null;
  next_at: readonly string[];
  last_firing?: Firing | null;
  /** Why it begins nothing. */
  problem?: string | null;
}

/** A time at which a trigger began a run, or did not. */
export interface Firing {
  id: string;
  /** What it was for, of a schedule. */
  at?: string | null;
  fired_at: string;
  status: "started" | "skipped" | "refused";
  run_id?: string | null;
  error?: { code: string; message: string } | null;
  /** Who did it by hand. */
  by?: string | null;
}

/** What it waits for, in a few words. */
export function whatOf(it: Trigger): string {
  switch (it.type) {
    case "api":
      return `${it.method ?? "POST"} ${pathOf(it)}, with a token`;
    case "webhook":
      return `POST ${pathOf(it)}, ${SIGNED[it.signature ?? "none"] ?? it.signature}`;
    case "cron":
      return `${it.cron} in ${it.timezone ?? "UTC"}`;
    default:
      return `the event ${it.name}${keyOf(it)}`;
  }
}

const SIGNED: Record<string, string> = {
  standard: "signed as Standard Webhooks says",
  github: "signed as GitHub does",
  none: "open to everybody who knows it",
};

const pathOf = ({ path }: Trigger) => `/hooks/${path ?? ""}`;
const keyOf = ({ key }: Trigger) =>
  key === undefined || key === null || key === ""
    ? ""
    : ` of ${typeof key === "string" ? key : JSON.stringify(key)}`;

/** What becomes of times at which the server was not there. */
export const missedOf = ({ missed }: Trigger): string =>
  ({ once: "made up for once", all: "made up for, each of them" })[missed ?? ""] ?? "left out";

/** What came of a firing, in a few words. */
export function cameOf({ status, error, by }: Firing): string {
  const word = { started: "Began a run", skipped: "Left out", refused: "Refused" }[status] ?? status;
  return [word, by && "by hand"].filter(Boolean).join(" ") + (error ? `: ${error.message}` : "");
}
