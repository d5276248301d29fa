/** The states of a signing key, as the API names them, and how they look. */
export const KEY_STATES = {
  pending: { look: "live" },
  active: { look: "ok" },
  retired: { look: "line" },
  withdrawn: { look: "line" },
  unreadable: { look: "bad" },
} as const;
export type KeyState = keyof typeof KEY_STATES;

/** The key that signs stays until another does; what was taken back is gone already. */
export const canRetire = (state: string) => ["pending", "retired", "unreadable"].includes(state);
