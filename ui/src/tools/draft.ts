import type { NewTool, ToolContent } from "../api/types";
import { parseJson, pretty } from "../kit/json";
import { authDraftOf, authOf, type DraftAuth, type Ways } from "../parts/auth";
import { json, type Made, reader, words } from "../parts/reading";
import type { MadeKind } from "./search";

/** A name and a text, such as of a header. */
export type Pair = readonly [name: string, value: string];

/** What each kind is made of, as it is typed. What a kind does not use is kept, so that nothing is lost by a look at another. */
export interface ToolDraft {
  name: string;
  display_name: string;
  description: string;
  kind: ToolContent["kind"];
  input_schema: string;
  output_schema: string;
  method: string;
  url: string;
  query: readonly Pair[];
  headers: readonly Pair[];
  body: string;
  auth: DraftAuth;
  pointer: string;
  success: string[];
  redirects: string[];
  allow_http: boolean;
  code: string;
  hosts: string[];
  secrets: string[];
  memory_mb: string;
  result: string;
  template: string;
  agent: string;
  workflow: string;
  databases: string[];
  mode: string;
  top_k: string;
  filter: string;
  /** Members of `config` that have no field here. */
  rest: Record<string, unknown>;
  effect: ToolContent["effect"] | "";
  approval: "never" | "always" | "when";
  when: string;
  timeout_s: string;
  retries: string;
  backoff_ms: string;
  scopes: string[];
  metadata: string;
}

/** The members of `config` that have fields, by kind. */
const KNOWN: Partial<Record<ToolContent["kind"], readonly string[]>> = {
  http: ["method", "url", "query", "headers", "body", "auth", "response", "hosts", "allow_http"],
  javascript: ["hosts", "secrets", "memory_mb"],
  static: ["result"],
  template: ["template"],
  agent: ["agent"],
  workflow: ["workflow"],
  rag: ["databases", "mode", "top_k", "filter"],
};

type Config = Record<string, unknown>;
const text = (value: unknown) => (typeof value === "string" ? value : "");
const texts = (value: unknown) => (Array.isArray(value) ? value.map(String) : []);

/** A definition, or the beginning of one, as it is edited. */
export function draftOf(it: Partial<ToolContent> | NewTool): ToolDraft {
  const config = (it.config ?? {}) as Config;
  const kind = it.kind ?? "javascript";
  const known = KNOWN[kind] ?? [];
  const response = (config.response ?? {}) as Config;
  const approval = it.approval ?? "never";
  return {
    name: it.name ?? "",
    display_name: it.display_name ?? "",
    description: it.description ?? "",
    kind,
    input_schema: json(it.input_schema) || '{\n  "type": "object"\n}',
    output_schema: json(it.output_schema),
    method: text(config.method) || "GET",
    url: text(config.url),
    query: pairsOf(config.query),
    headers: pairsOf(config.headers),
    body: config.body === undefined || config.body === null ? "" : pretty(config.body),
    auth: authDraftOf(config.auth),
    pointer: text(response.pointer),
    success: response.success === undefined ? ["2xx"] : texts(response.success),
    redirects: kind === "http" ? texts(config.hosts) : [],
    allow_http: config.allow_http === true,
    code: it.execute_code ?? "",
    hosts: kind === "javascript" ? texts(config.hosts) : [],
    secrets: texts(config.secrets),
    memory_mb: words(config.memory_mb as number | undefined),
    result: config.result === undefined ? "" : pretty(config.result),
    template: text(config.template),
    agent: text(config.agent),
    workflow: text(config.workflow),
    databases: texts(config.databases),
    mode: text(config.mode) || "hybrid",
    top_k: words((config.top_k as number | undefined) ?? 5),
    filter: json(config.filter),
    rest: Object.fromEntries(Object.entries(config).filter(([name]) => !known.includes(name))),
    effect: it.effect ?? "",
    approval: typeof approval === "string" ? approval : "when",
    when: typeof approval === "string" ? "" : pretty(approval.when),
    timeout_s: words((it.timeout_ms ?? 30_000) / 1000),
    retries: words(it.retry?.max ?? 0),
    backoff_ms: words(it.retry?.backoff_ms ?? 500),
    scopes: it.scopes ?? ["tool.execute"],
    metadata: json(it.metadata),
  };
}

const pairsOf = (value: unknown): Pair[] =>
  Object.entries((value ?? {}) as Config).map(([name, it]) => [
    name,
    typeof it === "string" ? it : JSON.stringify(it),
  ]);

/** A text, unless it is an object or a list: `{"$": "/input/lines"}` is an argument as it is. */
function objectOf(pairs: readonly Pair[]): Config {
  const members = pairs
    .filter(([name]) => name.trim() !== "")
    .map(([name, value]) => {
      const parsed = /^\s*[[{]/.test(value) ? parseJson(value) : null;
      return [name.trim(), parsed && "value" in parsed ? parsed.value : value] as const;
    });
  return Object.fromEntries(members);
}

/** What is sent, or which fields cannot be read, by their pointers. Whether the rest is right, the server says. */
export function bodyOf(draft: ToolDraft): Made<NewTool> {
  const read = reader();
  const { number, object, made } = read;
  const timeout = number("/timeout_ms", draft.timeout_s, false);
  const body = {
    name: draft.name.trim(),
    display_name: draft.display_name.trim() || draft.name.trim(),
    description: draft.description,
    kind: draft.kind,
    input_schema: object("/input_schema", draft.input_schema) ?? {},
    output_schema: object("/output_schema", draft.output_schema),
    config: configOf(draft, read),
    execute_code: draft.kind === "javascript" ? draft.code : null,
    effect: draft.effect || null,
    approval: draft.approval === "when" ? { when: object("/approval", draft.when) ?? {} } : draft.approval,
    timeout_ms: timeout === null ? 30_000 : Math.round(timeout * 1000),
    retry: {
      max: number("/retry/max", draft.retries) ?? 0,
      backoff_ms: number("/retry/backoff_ms", draft.backoff_ms) ?? 500,
    },
    scopes: draft.scopes,
    metadata: object("/metadata", draft.metadata) ?? {},
  };
  return made(body as unknown as NewTool);
}

function configOf(draft: ToolDraft, { number, object, value }: ReturnType<typeof reader>): Config {
  const own: Partial<Record<ToolContent["kind"], () => Config>> = {
    http: () => ({
      method: draft.method,
      url: draft.url.trim(),
      query: objectOf(draft.query),
      headers: objectOf(draft.headers),
      body: value("/config/body", draft.body) ?? null,
      auth: authOf(draft.auth, WAYS),
      response: { pointer: draft.pointer, success: draft.success },
      allow_http: draft.allow_http,
      hosts: draft.redirects,
    }),
    javascript: () => {
      const memory = number("/config/memory_mb", draft.memory_mb);
      return { hosts: draft.hosts, secrets: draft.secrets, ...(memory !== null && { memory_mb: memory }) };
    },
    static: () => ({ result: value("/config/result", draft.result) ?? null }),
    template: () => ({ template: draft.template }),
    agent: () => ({ agent: draft.agent.trim() }),
    workflow: () => ({ workflow: draft.workflow.trim() }),
    rag: () => ({
      databases: draft.databases,
      mode: draft.mode,
      top_k: number("/config/top_k", draft.top_k) ?? 5,
      filter: object("/config/filter", draft.filter),
    }),
  };
  return { ...own[draft.kind]?.(), ...draft.rest };
}

/** The ways in which a request of a tool proves whose it is. */
export const WAYS: Ways = {
  none: [],
  bearer: ["secret"],
  basic: ["username", "secret"],
  header: ["name", "secret"],
  oauth: ["token_url", "client_id", "secret", "scope"],
  exchange: ["audience", "scope"],
};

/** What a new tool of a kind begins as: something that works, and shows how it is written. */
export function newDraft(kind: MadeKind): ToolDraft {
  const schema = (properties: Config, required: string[]) => ({ type: "object", properties, required });
  const begun: Record<MadeKind, Partial<ToolContent>> = {
    http: {
      input_schema: schema({ id: { type: "string" } }, ["id"]),
      config: { method: "GET", url: "https://api.example.com/v1/orders/{{ input.id }}" },
    },
    javascript: {
      input_schema: schema({ name: { type: "string" } }, ["name"]),
      execute_code:
        "// input: the arguments. ctx.fetch reaches the hosts that are named below.\nreturn { hello: input.name };\n",
    },
    static: { input_schema: schema({}, []), config: { result: { open: "9 to 17" } } },
    template: {
      input_schema: schema({ name: { type: "string" } }, ["name"]),
      config: { template: "Dear {{ input.name }},\n" },
    },
    agent: { input_schema: schema({ input: { type: "string" } }, ["input"]) },
    workflow: { input_schema: schema({}, []) },
    rag: { input_schema: schema({ query: { type: "string" } }, ["query"]) },
  };
  return draftOf({ ...begun[kind], kind } as Partial<ToolContent>);
}

/** Members of a definition that are content: what a version is made of. */
export const CONTENT = [
  "name",
  "display_name",
  "description",
  "kind",
  "input_schema",
  "output_schema",
  "config",
  "execute_code",
  "effect",
  "approval",
  "timeout_ms",
  "retry",
  "scopes",
  "metadata",
] as const;

/** The content of a definition, in the order in which it is read. */
export const contentOf = (it: ToolContent): NewTool =>
  Object.fromEntries(CONTENT.map((name) => [name, it[name]])) as unknown as NewTool;
