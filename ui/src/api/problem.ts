/** What is wrong with one member of a request, or one parameter (`?name`). */
export interface Fault {
  pointer: string;
  code: string;
  detail: string;
}

/** What the server answered instead of what was asked for; or that it did not answer. */
export class Failure extends Error {
  readonly status: number;
  readonly title: string;
  readonly faults: readonly Fault[];
  /** The scope that is missing. */
  readonly scope: string | null;
  /** The page that explains it. */
  readonly page: string | null;
  readonly requestId: string | null;
  /** All that was answered. */
  readonly body: Record<string, unknown>;

  constructor(status: number, body: Record<string, unknown>, requestId: string | null = null) {
    // OAuth endpoints speak RFC 6749, all others RFC 9457.
    const detail = text(body.detail) ?? text(body.error_description) ?? `the server answered ${status}`;
    super(detail);
    this.status = status;
    this.title = detail;
    this.faults = Array.isArray(body.errors) ? body.errors.filter(isFault) : [];
    this.scope = text(body.required_scope);
    const type = text(body.type);
    this.page = type?.startsWith("/problems/") ? type : null;
    this.requestId = requestId;
    this.body = body;
  }

  /** The kind of problem: `agent-name-taken`. */
  get slug(): string {
    return this.page?.slice("/problems/".length) ?? "";
  }
}

const text = (value: unknown) => (typeof value === "string" ? value : null);

function isFault(it: unknown): it is Fault {
  const fault = it as Partial<Fault> | null;
  return (
    typeof fault?.pointer === "string" && typeof fault.detail === "string" && typeof fault.code === "string"
  );
}

/** Whatever was thrown, as something that can be shown. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof TypeError)
    return new Failure(0, { detail: "The server does not answer; what you typed is kept" });
  return new Failure(0, { detail: error instanceof Error ? error.message : String(error) });
}

/** Reads an answer that is not what was asked for. */
export async function failureFrom(response: Response): Promise<Failure> {
  const requestId = response.headers.get("x-request-id");
  const body: unknown = await response.json().catch(() => ({}));
  return new Failure(response.status, (body ?? {}) as Record<string, unknown>, requestId);
}
