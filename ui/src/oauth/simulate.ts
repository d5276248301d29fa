import type { Told } from "../api/asClient";
import { words } from "./scopes";
import type { CallName } from "./search";

/** What a client can be seen to do. */
export const CALLS = {
  agents: { label: "List the agents that it sees", method: "GET", scopes: ["agent.read", "agent.execute"] },
  execute: { label: "Ask an agent", method: "POST", scopes: ["agent.execute"] },
  runs: { label: "List its runs", method: "GET", scopes: ["run.read", "agent.execute"] },
  me: { label: "Ask who it is", method: "GET", scopes: [] },
} as const satisfies Record<CallName, unknown>;

export function pathOf(call: CallName, agent: string): string {
  switch (call) {
    case "agents":
      return "/agents";
    case "execute":
      return `/agents/${encodeURIComponent(agent)}/execute`;
    case "runs":
      return "/runs?limit=5";
    case "me":
      return "/me";
  }
}

/** The claims of an access token, for reading: nobody checks its signature here. `null`: it is none. */
export function claimsOf(credential: string): Record<string, unknown> | null {
  const part = credential.split(".")[1];
  if (credential.split(".").length !== 3 || !part) return null;
  try {
    const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (it) =>
      it.charCodeAt(0),
    );
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" && claims !== null ? (claims as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** Whether who holds `held` may do what `wanted` demands: the rule of `auth::scope`. */
export function covers(held: readonly string[], wanted: string): boolean {
  return held.some((it) => {
    if (it === wanted) return true;
    if (it.endsWith("*") && wanted.startsWith(it.slice(0, -1))) return true;
    const action = wanted.slice(wanted.lastIndexOf(".") + 1);
    return (
      ((it === "admin.read" || it === "admin.*") && action === "read") ||
      ((it === "admin.write" || it === "admin.*") && action === "write")
    );
  });
}

/** What came of it, in a sentence, and what to do. */
export interface Verdict {
  look: "ok" | "bad" | "warn";
  title: string;
  why: string;
}

const text = (value: unknown) => (typeof value === "string" ? value : null);

/** Why the token endpoint refused. */
export function refusalOf(told: Told): Verdict {
  const body = (told.body ?? {}) as Record<string, unknown>;
  const code = text(body.error);
  const detail = text(body.error_description) ?? text(body.detail) ?? `The server answered ${told.status}.`;
  const why: Record<string, string> = {
    invalid_client: "The id or the secret is not right, or the client is inactive.",
    unauthorized_client:
      "This client may not ask for tokens for itself: it lacks the grant client_credentials.",
    invalid_scope: "It asks for more than it was given.",
  };
  return { look: "bad", title: "No token", why: `${(code && why[code]) ?? ""} ${detail}`.trim() };
}

interface Agent {
  name: string;
  is_active: boolean;
  scopes: readonly string[];
}

/** Why a call was allowed or not. `agents` is what whoever looks knows of them, as far as he may. */
export function verdictOf(
  call: CallName,
  told: Told,
  held: readonly string[] | null,
  agent: Agent | undefined,
): Verdict {
  const body = (told.body ?? {}) as Record<string, unknown>;
  const detail = text(body.detail) ?? "";
  if (told.status < 300) {
    const opened = held && CALLS[call].scopes.find((it) => covers(held, it));
    const demanded = call === "execute" && agent ? agent.scopes.join(", ") : "";
    return {
      look: "ok",
      title: "Allowed",
      why: [
        opened ? `It holds ${opened}.` : "",
        demanded ? `The agent demands ${demanded}, and it holds all of that.` : "",
      ]
        .join(" ")
        .trim(),
    };
  }
  if (told.status === 401) {
    return {
      look: "bad",
      title: "Not known",
      why: `${detail}. The credential is over, was taken back, or is for another server.`,
    };
  }
  if (told.status === 403) {
    const lacks = text(body.required_scope);
    return {
      look: "bad",
      title: "Denied",
      why: lacks ? `It does not hold ${lacks}. Give the client that scope, then ask again.` : `${detail}.`,
    };
  }
  if (told.status === 404 && call === "execute") {
    return { look: "bad", title: "Denied: it does not see that agent", why: whyUnseen(held, agent) };
  }
  const ran = told.status === 409 || told.status >= 500 ? body.run : undefined;
  if (ran || told.status === 422 || told.status === 429) {
    return { look: "warn", title: "Allowed, but it did not succeed", why: `${detail}.` };
  }
  return { look: "bad", title: `The server answered ${told.status}`, why: `${detail}.` };
}

function whyUnseen(held: readonly string[] | null, agent: Agent | undefined): string {
  if (!agent) return "There is no agent of that name, or you do not see it either.";
  if (!agent.is_active) return "The agent is not active.";
  const lacks = held === null ? [...agent.scopes] : agent.scopes.filter((it) => !covers(held, it));
  if (lacks.length === 0) return "The server does not say more.";
  return `The agent demands ${agent.scopes.join(", ")}; it does not hold ${lacks.join(", ")}.`;
}

/** The scopes of a token or of what was answered for one; `null` where only the server knows them. */
export function scopesOf(claims: Record<string, unknown> | null): string[] | null {
  const scope = text(claims?.scope);
  return scope === null ? null : words(scope);
}
