/** How requests of ours prove whose they are, as it is typed. What a way does not use is kept, so that a look at another loses nothing. */
export interface DraftAuth {
  type: string;
  secret: string;
  username: string;
  name: string;
  token_url: string;
  issuer: string;
  client_id: string;
  scope: string;
  audience: string;
}

export type AuthPart = Exclude<keyof DraftAuth, "type">;

/** The ways that there are for something, each with its members. */
export type Ways = Readonly<Record<string, readonly AuthPart[]>>;

export const NO_AUTH: DraftAuth = {
  type: "none",
  secret: "",
  username: "",
  name: "",
  token_url: "",
  issuer: "",
  client_id: "",
  scope: "",
  audience: "",
};

export const authDraftOf = (auth: unknown): DraftAuth => ({
  ...NO_AUTH,
  ...Object.fromEntries(Object.entries(auth ?? {}).filter(([, value]) => value !== null)),
});

/** What may be left empty; of a person's consent all of it. */
export const isOptional = (type: string, part: AuthPart) => part === "scope" || type === "consent";

/** What is sent. A way that is not known here stays as it was read. */
export function authOf(auth: DraftAuth, ways: Ways): Record<string, unknown> {
  const parts = ways[auth.type];
  if (!parts) return Object.fromEntries(Object.entries(auth).filter(([, value]) => value !== ""));
  const members = parts.map((part) => [part, auth[part]] as const);
  return {
    type: auth.type,
    ...Object.fromEntries(members.filter(([part, value]) => value !== "" || !isOptional(auth.type, part))),
  };
}
