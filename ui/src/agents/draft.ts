import type { AgentContent, NewAgent } from "../api/types";
import { pretty } from "../kit/json";
import { json, type Made, reader, words } from "../parts/reading";

/** When a person must agree to a call: never, always, or by a predicate over its arguments (JSON). */
export interface DraftTool {
  name: string;
  approval: "never" | "always" | "when";
  when: string;
  /** Who decides, and for how long he is waited for: as it was. */
  rest?: Record<string, unknown>;
}

/** An agent as it is edited: what a field holds is a text as long as somebody types. */
export interface Draft {
  name: string;
  display_name: string;
  description: string;
  instructions: string;
  /** Tried in order; empty: the configured default. */
  models: string[];
  temperature: string;
  top_p: string;
  max_output_tokens: string;
  reasoning_effort: string;
  tool_choice: string;
  parallel_tool_calls: boolean;
  provider: string;
  tools: DraftTool[];
  agents: string[];
  workflows: string[];
  rag_databases: string[];
  last_messages: string;
  memory_tokens: string;
  context_schema: string;
  output_schema: string;
  max_steps: string;
  max_tokens: string;
  max_cost_usd: string;
  max_parallel_tool_calls: string;
  timeout_s: string;
  scopes: string[];
  metadata: string;
}

export const NEW_DRAFT: Draft = draftOf({
  name: "",
  display_name: "",
  instructions: "",
  scopes: ["agent.execute"],
});

/** A definition, or the beginning of one, as it is edited. */
export function draftOf(it: Partial<AgentContent> | NewAgent): Draft {
  const options = it.model_options;
  const choice = options?.tool_choice as unknown;
  return {
    name: it.name ?? "",
    display_name: it.display_name ?? "",
    description: it.description ?? "",
    instructions: it.instructions ?? "",
    models: it.model === null || it.model === undefined ? [] : [it.model].flat(),
    temperature: words(options?.temperature),
    top_p: words(options?.top_p),
    max_output_tokens: words(options?.max_output_tokens),
    reasoning_effort: options?.reasoning_effort ?? "",
    tool_choice:
      typeof choice === "object" && choice !== null
        ? ((choice as { name?: string }).name ?? "auto")
        : ((choice as string) ?? "auto"),
    parallel_tool_calls: options?.parallel_tool_calls ?? true,
    provider: json(options?.provider),
    tools: (it.tools ?? []).map(draftTool),
    agents: it.agents ?? [],
    workflows: it.workflows ?? [],
    rag_databases: it.rag_databases ?? [],
    last_messages: words(it.memory?.last_messages ?? 20),
    memory_tokens: words(it.memory?.max_tokens),
    context_schema: json(it.context_schema),
    output_schema: json(it.output_schema),
    max_steps: words(it.limits?.max_steps ?? 20),
    max_tokens: words(it.limits?.max_tokens),
    max_cost_usd: words(it.limits?.max_cost_usd),
    max_parallel_tool_calls: words(it.limits?.max_parallel_tool_calls ?? 8),
    timeout_s: words((it.limits?.timeout_ms ?? 600_000) / 1000),
    scopes: it.scopes ?? [],
    metadata: json(it.metadata),
  };
}

function draftTool(form: unknown): DraftTool {
  if (typeof form === "string") return { name: form, approval: "never", when: "" };
  const { name, approval, ...rest } = form as { name: string; approval?: unknown };
  const tool = { name, when: "", ...(Object.keys(rest).length > 0 && { rest }) };
  if (typeof approval === "object" && approval !== null) {
    return { ...tool, approval: "when", when: pretty((approval as { when: unknown }).when) };
  }
  return { ...tool, approval: approval === "always" ? "always" : "never" };
}

const CHOICES = ["auto", "required", "none"];

/** What is sent, or which fields cannot be read, by their pointers. Whether the rest is right, the server says. */
export function bodyOf(draft: Draft): Made<NewAgent> {
  const { number, object, made } = reader();
  const tools = draft.tools.map(({ name, approval, when, rest }, at) => {
    if (approval === "never" && !rest) return name;
    const rule = approval === "when" ? { when: object(`/tools/${at}`, when) ?? {} } : approval;
    return { name, approval: rule, ...rest };
  });
  const timeout = number("/limits/timeout_ms", draft.timeout_s, false);
  const body = {
    name: draft.name.trim(),
    display_name: draft.display_name.trim(),
    description: draft.description,
    instructions: draft.instructions,
    model: draft.models.length > 1 ? draft.models : (draft.models[0] ?? null),
    model_options: {
      temperature: number("/model_options/temperature", draft.temperature, false),
      top_p: number("/model_options/top_p", draft.top_p, false),
      max_output_tokens: number("/model_options/max_output_tokens", draft.max_output_tokens),
      reasoning_effort: draft.reasoning_effort || null,
      tool_choice: CHOICES.includes(draft.tool_choice) ? draft.tool_choice : { name: draft.tool_choice },
      parallel_tool_calls: draft.parallel_tool_calls,
      provider: object("/model_options/provider", draft.provider) ?? {},
    },
    tools,
    agents: draft.agents,
    workflows: draft.workflows,
    rag_databases: draft.rag_databases,
    memory: {
      last_messages: number("/memory/last_messages", draft.last_messages) ?? 20,
      max_tokens: number("/memory/max_tokens", draft.memory_tokens),
    },
    context_schema: object("/context_schema", draft.context_schema),
    output_schema: object("/output_schema", draft.output_schema),
    limits: {
      max_steps: number("/limits/max_steps", draft.max_steps) ?? 20,
      max_tokens: number("/limits/max_tokens", draft.max_tokens),
      max_cost_usd: number("/limits/max_cost_usd", draft.max_cost_usd, false),
      max_parallel_tool_calls: number("/limits/max_parallel_tool_calls", draft.max_parallel_tool_calls) ?? 8,
      timeout_ms: timeout === null ? 600_000 : Math.round(timeout * 1000),
    },
    scopes: draft.scopes,
    metadata: object("/metadata", draft.metadata) ?? {},
  };
  // The server's own types say less than what it takes: it checks all of it and says what is wrong.
  return made(body as unknown as NewAgent);
}

/** Members of a definition that are content: what a version is made of. */
export const CONTENT = [
  "name",
  "display_name",
  "description",
  "instructions",
  "model",
  "model_options",
  "tools",
  "agents",
  "workflows",
  "rag_databases",
  "memory",
  "context_schema",
  "output_schema",
  "limits",
  "scopes",
  "metadata",
] as const;

/** The content of a definition, in the order in which it is read. */
export const contentOf = (it: AgentContent): NewAgent =>
  Object.fromEntries(CONTENT.map((name) => [name, it[name]])) as unknown as NewAgent;
