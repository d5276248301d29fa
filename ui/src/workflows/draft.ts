import type { NewWorkflow, WorkflowContent } from "../api/types";
import { type Entry, entriesOf, pointerOf, Unread } from "../graph/entry";
import { parseJson, pretty } from "../kit/json";
import { json, type Made, reader, words } from "../parts/reading";

/** A workflow as it is edited. Its steps are what they will be, but for what was typed and cannot be read. */
export interface WorkflowDraft {
  name: string;
  display_name: string;
  description: string;
  steps: readonly Entry[];
  /** What it gives; `undefined`: what the last entry gives. */
  output: unknown;
  input_schema: string;
  output_schema: string;
  max_steps: string;
  max_parallel: string;
  max_tokens: string;
  max_cost_usd: string;
  timeout_s: string;
  scopes: string[];
  metadata: string;
  /** Members that have no field here. */
  rest: Readonly<Record<string, unknown>>;
}

/** A definition, or the beginning of one, as it is edited. */
export function draftOf(it: Partial<WorkflowContent> | NewWorkflow): WorkflowDraft {
  const { limits } = it;
  return {
    name: it.name ?? "",
    display_name: it.display_name ?? "",
    description: it.description ?? "",
    steps: entriesOf(it.steps),
    output: it.output ?? undefined,
    input_schema: json(it.input_schema),
    output_schema: json(it.output_schema),
    max_steps: words(limits?.max_steps ?? 10_000),
    max_parallel: words(limits?.max_parallel ?? 8),
    max_tokens: words(limits?.max_tokens),
    max_cost_usd: words(limits?.max_cost_usd),
    timeout_s: words((limits?.timeout_ms ?? 3_600_000) / 1000),
    scopes: it.scopes ?? [],
    metadata: json(it.metadata),
    rest: Object.fromEntries(Object.entries(it).filter(([name]) => !FIELDS.includes(name))),
  };
}

/** What is sent, or which fields cannot be read, by their pointers. Whether the rest is right, the server says. */
export function bodyOf(draft: WorkflowDraft): Made<NewWorkflow> {
  const { number, object, errors, made } = reader();
  const timeout = number("/limits/timeout_ms", draft.timeout_s, false);
  noteUnread(draft.steps, "/steps", errors);
  noteUnread(draft.output, "/output", errors);
  const body = {
    name: draft.name.trim(),
    display_name: draft.display_name.trim() || draft.name.trim(),
    description: draft.description,
    input_schema: object("/input_schema", draft.input_schema),
    output_schema: object("/output_schema", draft.output_schema),
    steps: draft.steps,
    output: draft.output ?? null,
    limits: {
      max_steps: number("/limits/max_steps", draft.max_steps) ?? 10_000,
      max_tokens: number("/limits/max_tokens", draft.max_tokens),
      max_cost_usd: number("/limits/max_cost_usd", draft.max_cost_usd, false),
      max_parallel: number("/limits/max_parallel", draft.max_parallel) ?? 8,
      timeout_ms: timeout === null ? 3_600_000 : Math.round(timeout * 1000),
    },
    ...draft.rest,
    scopes: draft.scopes,
    metadata: object("/metadata", draft.metadata) ?? {},
  };
  return made(body as unknown as NewWorkflow);
}

/** Notes what was typed within a value and cannot be read. */
export function noteUnread(value: unknown, pointer: string, errors: Record<string, string>) {
  if (value instanceof Unread) errors[pointer] = value.why;
  else if (typeof value === "object" && value !== null)
    for (const [name, it] of Object.entries(value)) noteUnread(it, pointerOf(pointer, name), errors);
}

/** A number that is typed; nothing is no number, and no member. */
export function numberTyped(text: string, isWhole = true): number | Unread | undefined {
  if (text.trim() === "") return undefined;
  const value = Number(text);
  const isFine = isWhole ? Number.isSafeInteger(value) : Number.isFinite(value);
  return isFine ? value : new Unread(text, isWhole ? "A whole number." : "A number.");
}

/** Seconds that are typed, as the milliseconds that are meant. */
export function secondsTyped(text: string): number | Unread | undefined {
  const value = numberTyped(text, false);
  return typeof value === "number" ? Math.round(value * 1000) : value;
}

/** A value of JSON that is typed. */
export function jsonTyped(text: string): unknown {
  if (text.trim() === "") return undefined;
  const parsed = parseJson(text);
  if ("value" in parsed) return parsed.value;
  return new Unread(text, parsed.line ? `Line ${parsed.line}: ${parsed.error}` : parsed.error);
}

/** What has to be typed for a number, or for a value. */
export const numberText = (value: unknown) =>
  value instanceof Unread ? value.text : value === undefined || value === null ? "" : String(value);
export const secondsText = (value: unknown) =>
  typeof value === "number" ? String(value / 1000) : numberText(value);
export const jsonText = (value: unknown) =>
  value instanceof Unread ? value.text : value === undefined ? "" : pretty(value);

/** Members of a definition that are content: what a version is made of. */
export const CONTENT = [
  "name",
  "display_name",
  "description",
  "input_schema",
  "output_schema",
  "steps",
  "output",
  "triggers",
  "limits",
  "scopes",
  "metadata",
] as const;

/** Those that have fields. */
const FIELDS: readonly string[] = CONTENT.filter((it) => it !== "triggers");

/** The content of a definition, in the order in which it is read. */
export const contentOf = (it: WorkflowContent): NewWorkflow =>
  Object.fromEntries(
    CONTENT.filter((name) => name in it).map((name) => [name, (it as Record<string, unknown>)[name]]),
  ) as unknown as NewWorkflow;

/** What a new workflow begins as: something that can be saved. */
export const NEW_DRAFT: WorkflowDraft = draftOf({
  name: "",
  input_schema: { type: "object", properties: {} },
  steps: [{ id: "first", type: "mapping", output: { hello: { $: "/input" } } }],
  scopes: ["workflow.execute"],
} as unknown as NewWorkflow);
