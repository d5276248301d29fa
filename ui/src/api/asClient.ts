import { PATH } from "./client";

/** What a program would be told, and how long it took. */
export interface Told {
  status: number;
  ms: number;
  /** What it said with a refusal, in the words of RFC 6750. */
  challenge: string | null;
  requestId: string | null;
  /** JSON as a value, other text as it is; of anything else its type and size. */
  body: unknown;
}

/** Calls the server as a program does: without the session, with this credential or none. */
export const callAs = (
  method: "GET" | "POST",
  path: string,
  credential: string | null,
  body?: unknown,
): Promise<Told> =>
  tell(method, path, body, "omit", credential === null ? {} : { authorization: `Bearer ${credential}` });

/** Calls the server with the session, as these pages do, and tells what it answered. */
export const callHere = (
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: unknown,
): Promise<Told> => tell(method, path, body, "same-origin", headers);

/** A stream that goes on is read for so long. */
const LONGEST_MS = 60_000;

async function tell(
  method: string,
  path: string,
  body: unknown,
  credentials: RequestCredentials,
  headers: Record<string, string>,
): Promise<Told> {
  const began = performance.now();
  const response = await fetch(PATH + path, {
    method,
    credentials,
    cache: "no-store",
    signal: AbortSignal.timeout(LONGEST_MS),
    headers: {
      accept: "application/json",
      ...headers,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const told = await read(response);
  return {
    status: response.status,
    ms: Math.round(performance.now() - began),
    challenge: response.headers.get("www-authenticate"),
    requestId: response.headers.get("x-request-id"),
    body: told,
  };
}

async function read(response: Response): Promise<unknown> {
  const type = response.headers.get("content-type") ?? "";
  if (/json/.test(type)) return response.json().catch(() => null);
  if (/^text\//.test(type)) return response.text();
  const { byteLength } = await response.arrayBuffer();
  return byteLength === 0 ? null : `${type || "something"}, ${byteLength} bytes`;
}
