import { authDraftOf, authOf, type DraftAuth, type Ways } from "../parts/auth";
import { json, type Made, reader, words } from "../parts/reading";
import type { NewUpstream, Upstream, UpstreamTool } from "./queries";

/** An upstream as it is typed. */
export interface UpstreamDraft {
  name: string;
  display_name: string;
  description: string;
  url: string;
  auth: DraftAuth;
  allow: string[];
  timeout_s: string;
  max_result_bytes: string;
  scopes: string[];
  metadata: string;
  /** Members that have no field here. */
  rest: Record<string, unknown>;
}

/** The ways in which a request to an upstream proves whose it is; of `exchange` the address is the audience. */
export const WAYS: Ways = {
  none: [],
  bearer: ["secret"],
  header: ["name", "secret"],
  oauth: ["token_url", "client_id", "secret", "scope"],
  exchange: ["scope"],
  consent: ["issuer", "client_id", "secret", "scope"],
};

/** Members of a definition that are content: what a version is made of. */
export const CONTENT = [
  "name",
  "display_name",
  "description",
  "url",
  "auth",
  "allow",
  "timeout_ms",
  "max_result_bytes",
  "scopes",
  "metadata",
] as const;

export const contentOf = (it: Upstream): NewUpstream =>
  Object.fromEntries(CONTENT.map((name) => [name, it[name]])) as unknown as NewUpstream;

export function draftOf(it: Partial<NewUpstream>): UpstreamDraft {
  const known: readonly string[] = CONTENT;
  return {
    name: it.name ?? "",
    display_name: it.display_name ?? "",
    description: it.description ?? "",
    url: it.url ?? "",
    auth: authDraftOf(it.auth),
    allow: it.allow ?? ["*"],
    timeout_s: words((it.timeout_ms ?? 30_000) / 1000),
    max_result_bytes: words(it.max_result_bytes ?? 1_048_576),
    scopes: it.scopes ?? ["tool.execute"],
    metadata: json(it.metadata),
    rest: Object.fromEntries(Object.entries(it).filter(([name]) => !known.includes(name))),
  };
}

/** What is sent, or which fields cannot be read, by their pointers. Whether the rest is right, the server says. */
export function bodyOf(draft: UpstreamDraft): Made<NewUpstream> {
  const { number, object, made } = reader();
  const timeout = number("/timeout_ms", draft.timeout_s, false);
  const body = {
    ...draft.rest,
    name: draft.name.trim(),
    display_name: draft.display_name.trim() || null,
    description: draft.description,
    url: draft.url.trim(),
    auth: authOf(draft.auth, WAYS),
    allow: draft.allow,
    timeout_ms: timeout === null ? null : Math.round(timeout * 1000),
    max_result_bytes: number("/max_result_bytes", draft.max_result_bytes),
    scopes: draft.scopes,
    metadata: object("/metadata", draft.metadata),
  };
  return made(body as unknown as NewUpstream);
}

/** How an upstream is, in a word. States of later servers keep their name. */
export function stateOf(it: Pick<Upstream, "is_active" | "state">): readonly [look: Look, word: string] {
  if (!it.is_active) return ["line", "inactive"];
  return STATES[it.state] ?? ["line", it.state];
}

type Look = "ok" | "warn" | "bad" | "line";

const STATES: Readonly<Record<string, readonly [Look, string]>> = {
  unknown: ["line", "not looked at yet"],
  connected: ["ok", "connected"],
  failing: ["bad", "failing"],
  changed: ["warn", "changed"],
  needs_consent: ["warn", "needs consent"],
};

/** How a tool of an upstream stands, in a word. */
export function toolState(it: UpstreamTool): readonly [look: Look, word: string] {
  if (it.changed) return it.offered ? ["warn", "changed"] : ["bad", "gone"];
  if (!it.pinned) return ["line", "not taken in"];
  return it.problem === null ? ["ok", "taken in"] : ["bad", "not used"];
}

/** `12 of 14 tools`, or `12 tools` if that is all of them. */
export function takenWords(tools: readonly UpstreamTool[]): string {
  const taken = tools.filter((it) => it.pinned).length;
  if (taken < tools.length) return `${taken} of ${tools.length} tools`;
  return taken === 1 ? "1 tool" : `${taken} tools`;
}
