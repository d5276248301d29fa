import createClient from "openapi-fetch";
import { failureFrom } from "./problem";
import type { paths } from "./schema";
import { type Frame, frames } from "./sse";

/** The path below which the server is reached: the page says it, in `data-path`. */
export const PATH = document.documentElement.dataset.path ?? "";

/**
 * The API, by the paths of its document. The session is a cookie that no script can read; a call that finds it over
 * leads to the page where one signs in, and from there back.
 */
export const api = createClient<paths>({ baseUrl: `${PATH}/`.replace(/\/$/, "") || location.origin });

api.use({
  async onResponse({ response }) {
    if (response.ok) return undefined;
    if (response.status === 401) signIn();
    throw await failureFrom(response);
  },
});

/** What was answered; what was answered instead is thrown by the client. */
export async function answer<T>(call: Promise<{ data?: T }>): Promise<NonNullable<T>> {
  const { data } = await call;
  return data as NonNullable<T>;
}

/** Leads to the page where one signs in, and from there back to here. */
export function signIn() {
  const here = location.pathname.slice(PATH.length) + location.search;
  location.assign(`${PATH}/sign-in?then=${encodeURIComponent(here)}`);
}

/** There is nothing after the cursor of a stream, and there will not be. */
export class Ended extends Error {}

/** Opens the event stream at `path`: its frames, until it ends or the connection does. */
export async function stream(path: string, signal: AbortSignal): Promise<AsyncGenerator<Frame>> {
  const response = await fetch(PATH + path, { headers: { accept: "text/event-stream" }, signal });
  if (response.status === 401) signIn();
  if (!response.ok) throw await failureFrom(response);
  if (response.status === 204 || !response.body) throw new Ended();
  return frames(response.body);
}
