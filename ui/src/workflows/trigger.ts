import type { Firing, TriggerState } from "../api/types";
import { triggerWords } from "./triggerDraft";

/** What it waits for, in a few words. */
export function whatOf(it: TriggerState): string {
  const words = triggerWords(it);
  switch (it.type) {
    case "api":
      return `${words}, with a token`;
    case "webhook":
      return `${words}, ${SIGNED[it.signature ?? "standard"]}`;
    case "event":
      return it.key ? `${words} of ${it.key}` : words;
    default:
      return words;
  }
}

const SIGNED = {
  standard: "signed as Standard Webhooks says",
  github: "signed as GitHub does",
  none: "open to everybody who knows it",
};

/** What becomes of times at which the server was not there. */
export const missedOf = ({ missed }: TriggerState): string =>
  ({ once: "made up for once", all: "made up for, each of them", skip: "left out" })[missed ?? "skip"];

/** What came of a firing, in a few words. */
export function cameOf({ status, error, by }: Firing): string {
  const word = { started: "Began a run", skipped: "Left out", refused: "Refused" }[status];
  return [word, by && "by hand"].filter(Boolean).join(" ") + (error ? `: ${error.message}` : "");
}
