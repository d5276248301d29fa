import { oneOf, type Raw, textIn } from "../kit/search";

export const USER_TABS = ["users", "sessions", "grants"] as const;

export interface UsersSearch {
  tab?: (typeof USER_TABS)[number] | undefined;
}

export const usersSearch = (raw: Raw): UsersSearch => ({ tab: oneOf(raw, "tab", USER_TABS) });

/** What the audit trail is narrowed to. */
export interface AuditSearch {
  actor?: string | undefined;
  action?: string | undefined;
  target?: string | undefined;
}

export const auditSearch = (raw: Raw): AuditSearch => ({
  actor: textIn(raw, "actor"),
  action: textIn(raw, "action"),
  target: textIn(raw, "target"),
});

/** What a client can be seen to do. */
export const CALL_NAMES = ["agents", "execute", "runs", "me"] as const;
export type CallName = (typeof CALL_NAMES)[number];

/** Which client is tried by what, and what it calls. Its secret stands nowhere. */
export interface SimulatorSearch {
  way?: "secret" | "token" | undefined;
  client?: string | undefined;
  call?: CallName | undefined;
  agent?: string | undefined;
}

export const simulatorSearch = (raw: Raw): SimulatorSearch => ({
  way: oneOf(raw, "way", ["secret", "token"]),
  client: textIn(raw, "client"),
  call: oneOf(raw, "call", CALL_NAMES),
  agent: textIn(raw, "agent"),
});
