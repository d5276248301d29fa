import { PATH } from "./client";

/** What a program would be told, and how long it took. */
export interface Told {
  status: number;
  ms: number;
  /** What it said with a refusal, in the words of RFC 6750. */
  challenge: string | null;
  requestId: string | null;
  body: unknown;
}

/** Calls the server as a program does: without the session, with this credential or none. */
export async function callAs(
  method: "GET" | "POST",
  path: string,
  credential: string | null,
  body?: unknown,
): Promise<Told> {
  const began = performance.now();
  const response = await fetch(PATH + path, {
    method,
    credentials: "omit",
    cache: "no-store",
    headers: {
      accept: "application/json",
      ...(credential === null ? {} : { authorization: `Bearer ${credential}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const told: unknown = await response.json().catch(() => null);
  return {
    status: response.status,
    ms: Math.round(performance.now() - began),
    challenge: response.headers.get("www-authenticate"),
    requestId: response.headers.get("x-request-id"),
    body: told,
  };
}
