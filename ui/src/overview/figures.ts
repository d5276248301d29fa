import type { StatsFigures } from "../api/types";
import type { Kind } from "../kit/Marks";

/** Of those that were to succeed, the part that did; `null` if there was none. Who cancels a run has his reasons. */
export function share({ succeeded, failed, timed_out }: Counts): number | null {
  const all = succeeded + failed + timed_out;
  return all === 0 ? null : succeeded / all;
}

type Counts = Pick<StatsFigures, "succeeded" | "failed" | "timed_out">;

/** `98.7 %`; never 100 if it is not all of it. */
export function percent(part: number): string {
  const floor = Math.floor(part * 1000) / 10;
  return `${Number.isInteger(floor) ? floor : floor.toFixed(1)} %`;
}

/** In a word, how it goes. */
export function health(figures: Counts): "quiet" | "well" | "mostly" | "badly" {
  const part = share(figures);
  if (part === null) return "quiet";
  if (part >= 0.99) return "well";
  return part >= 0.9 ? "mostly" : "badly";
}

/** What an error kind of a run is called among people. */
const KINDS: Record<string, string> = {
  provider: "The model's provider refused or broke off",
  provider_timeout: "The model's provider took too long",
  timeout: "The run took longer than it may",
  limit: "A limit was reached",
  tool: "A tool failed",
  output: "The answer did not match its schema",
  guardrail: "A guardrail stopped it",
  definition: "Its definition could not be used",
  internal: "A fault of the server",
};
export const kindWords = (kind: string) => KINDS[kind] ?? kind;

/** The mark of what ran. */
export const definitionKind = (kind: string): Kind =>
  kind === "tool" || kind === "workflow" ? kind : "agent";

/** Clients that are not listed, since nobody registered them. */
const OWN: Record<string, string> = { "": "others", "agent-server-ui": "People in this Admin UI" };

/** How the clients of these names are called; one that is not listed by its id. */
export function clientNames(listed: readonly { client_id: string; client_name: string }[]) {
  const names = new Map(listed.map((it) => [it.client_id, it.client_name || it.client_id]));
  return (id: string) => ({ name: OWN[id] ?? names.get(id) ?? id, isListed: names.has(id) });
}
