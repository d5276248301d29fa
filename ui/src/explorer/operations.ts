import type { Schema } from "../parts/schema";

export type Place = "path" | "query" | "header";

/** One call of the API, as its document says. */
export interface Operation {
  id: string;
  method: string;
  path: string;
  tag: string;
  summary: string;
  about: string;
  /** Each of these opens it, all of its scopes together; none: whoever has a token. */
  opened: readonly (readonly string[])[];
  isOpen: boolean;
  /** What stands in the path, the query and the headers, as members of one object. */
  parameters: Schema | null;
  places: Readonly<Record<string, Place>>;
  /** The JSON that it takes; `null` if it takes none. */
  body: Schema | null;
  /** It takes something that is no JSON, such as a file. */
  takesOther: boolean;
}

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema?: Schema;
}

interface Described {
  operationId?: string;
  tags?: string[];
  summary?: string;
  description?: string;
  parameters?: Parameter[];
  requestBody?: { content?: Record<string, { schema?: Schema }> };
  security?: Record<string, string[]>[];
}

export interface Document {
  paths: Record<string, Record<string, unknown>>;
  components?: unknown;
}

const METHODS = ["get", "post", "put", "patch", "delete"] as const;
const PLACES: readonly string[] = ["path", "query", "header"];

/** All calls, in the order of the document. */
export function operationsOf({ paths, components }: Document): Operation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => method in methods).map((method) =>
      operationOf(method, path, methods[method] as Described, components),
    ),
  );
}

function operationOf(method: string, path: string, it: Described, components: unknown): Operation {
  const parameters = (it.parameters ?? []).filter((one) => PLACES.includes(one.in));
  const content = it.requestBody?.content ?? {};
  const json = content["application/json"]?.schema;
  const properties = parameters.map(({ name, description, schema }) => {
    return [name, { ...(description && { description }), ...schema }] as const;
  });
  const required = parameters.filter((one) => one.required).map((one) => one.name);
  return {
    id: it.operationId ?? `${method} ${path}`,
    method: method.toUpperCase(),
    path,
    tag: it.tags?.[0] ?? "",
    summary: it.summary ?? path,
    about: it.description ?? "",
    opened: (it.security ?? []).map((one) => Object.values(one).flat()),
    isOpen: it.security === undefined || it.security.length === 0,
    parameters:
      properties.length > 0
        ? { type: "object", properties: Object.fromEntries(properties), required, components }
        : null,
    places: Object.fromEntries(parameters.map((one) => [one.name, one.in as Place])),
    body: json ? { ...json, components } : null,
    takesOther: json === undefined && Object.keys(content).length > 0,
  };
}

/** What is sent for these arguments. */
export interface Request {
  path: string;
  headers: Record<string, string>;
}

export function requestOf({ path, places }: Operation, given: Record<string, unknown>): Request {
  let filled = path;
  const query = new URLSearchParams();
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    if (places[name] === "path") filled = filled.replace(`{${name}}`, encodeURIComponent(text));
    else if (places[name] === "header") headers[name] = text;
    else query.append(name, text);
  }
  return { path: query.size > 0 ? `${filled}?${query}` : filled, headers };
}

/** The same as a command, for somebody who has a token. */
export function curlOf(base: string, { method, isOpen }: Operation, request: Request, body: unknown): string {
  const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const headers = Object.entries(request.headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`);
  return [
    `curl -s${method === "GET" ? "" : ` -X ${method}`} ${quoted(base + request.path)}`,
    ...(isOpen ? [] : ['-H "Authorization: Bearer $TOKEN"']),
    ...headers,
    ...(body === undefined ? [] : [`--json ${quoted(JSON.stringify(body, null, 2))}`]),
  ].join(" \\\n  ");
}

/** Which scopes are missing for whoever holds these; none if any way is open to him. */
export function missing({ opened }: Operation, held: readonly string[]): readonly string[] {
  const lacks = opened.map((scopes) => scopes.filter((it) => !held.includes(it)));
  if (lacks.length === 0 || lacks.some((it) => it.length === 0)) return [];
  return lacks[0] ?? [];
}
