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
