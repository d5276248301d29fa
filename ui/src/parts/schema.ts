import { pretty } from "../kit/json";
import { type Made, madeOf, reader } from "./reading";

/** A JSON Schema, as far as it says what a form needs. */
export type Schema = Record<string, unknown>;

/** A member of an object, as a field of a form. */
export interface SchemaField {
  name: string;
  /** Where its value stands in the whole. */
  pointer: string;
  label: string;
  hint: string;
  isRequired: boolean;
  /** `list`: texts or numbers, one a line; `json`: what no field can hold. */
  kind: "text" | "long" | "number" | "integer" | "boolean" | "choice" | "list" | "group" | "json";
  choices: readonly unknown[];
  /** Of a list: what a line is. */
  item: "string" | "number";
  fields: readonly SchemaField[];
  /** What it is before anybody types. */
  initial: unknown;
}

/** What was typed, by the pointers of the fields. */
export type Typed = Readonly<Record<string, string>>;

const DEEPEST = 4;
const LONG = 200;

/** The fields of an object of this schema, those that must be there first; `null` if it has none that can be drawn. */
export function fieldsOf(
  schema: Schema,
  root: Schema = schema,
  pointer = "",
  depth = 0,
): SchemaField[] | null {
  const whole = resolved(schema, root);
  const properties = whole.properties as Record<string, unknown> | undefined;
  if (!properties || typeof properties !== "object" || depth > DEEPEST) return null;
  const required = Array.isArray(whole.required) ? whole.required : [];
  const fields = Object.entries(properties).map(([name, it]) =>
    fieldOf(name, resolved(it, root), root, pointer, required.includes(name), depth),
  );
  return fields.length > 0 ? fields.sort((a, b) => Number(b.isRequired) - Number(a.isRequired)) : null;
}

function fieldOf(
  name: string,
  schema: Schema,
  root: Schema,
  above: string,
  isRequired: boolean,
  depth: number,
): SchemaField {
  const pointer = `${above}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  const field: SchemaField = {
    name,
    pointer,
    label: textOf(schema.title) || name,
    hint: textOf(schema.description),
    isRequired,
    kind: "json",
    choices: [],
    item: "string",
    fields: [],
    // What is nothing is not typed.
    initial: schema.default ?? undefined,
  };
  const choices = Array.isArray(schema.enum) ? schema.enum : "const" in schema ? [schema.const] : null;
  if (choices) return { ...field, kind: "choice", choices };
  switch (typeOf(schema)) {
    case "string":
      return { ...field, kind: Number(schema.maxLength ?? 0) > LONG ? "long" : "text" };
    case "number":
      return { ...field, kind: "number" };
    case "integer":
      return { ...field, kind: "integer" };
    case "boolean":
      return { ...field, kind: "boolean" };
    case "array": {
      const item = typeOf(resolved(schema.items, root));
      if (item === "string") return { ...field, kind: "list" };
      return item === "number" || item === "integer" ? { ...field, kind: "list", item: "number" } : field;
    }
    case "object": {
      const fields = fieldsOf(schema, root, pointer, depth + 1);
      return fields ? { ...field, kind: "group", fields } : field;
    }
    default:
      return field;
  }
}

const textOf = (value: unknown) => (typeof value === "string" ? value : "");

/** The one type of a value that may also be `null`. */
function typeOf(schema: Schema): string | null {
  if (typeof schema.type === "string") return schema.type;
  const types = Array.isArray(schema.type) ? schema.type.filter((it) => it !== "null") : [];
  return types.length === 1 ? String(types[0]) : null;
}

/** What a reference within the document leads to. */
function resolved(schema: unknown, root: Schema): Schema {
  let at: unknown = schema;
  for (let steps = 0; steps < 8; steps++) {
    const ref = (at as Schema | null)?.$ref;
    if (typeof ref !== "string" || !ref.startsWith("#/")) break;
    at = ref
      .slice(2)
      .split("/")
      .map((it) => it.replaceAll("~1", "/").replaceAll("~0", "~"))
      .reduce<unknown>((inside, name) => (inside as Schema | undefined)?.[name], root);
  }
  return typeof at === "object" && at !== null ? (at as Schema) : {};
}

/** The value that was typed. A field in which nothing stands is not there: whether it must be, the server says. */
export function composed(fields: readonly SchemaField[], typed: Typed): Made<Record<string, unknown>> {
  const read = reader();
  return read.made(objectOf(fields, typed, read));
}

type Reader = ReturnType<typeof reader>;

function objectOf(fields: readonly SchemaField[], typed: Typed, read: Reader): Record<string, unknown> {
  const members = fields.flatMap((it) => {
    const value = memberOf(it, typed, read);
    return value === undefined ? [] : [[it.name, value] as const];
  });
  return Object.fromEntries(members);
}

function memberOf(field: SchemaField, typed: Typed, read: Reader): unknown {
  const { pointer, kind, item } = field;
  const text = typed[pointer] ?? "";
  switch (kind) {
    case "text":
    case "long":
      return text === "" ? undefined : text;
    case "number":
    case "integer":
      return read.number(pointer, text, kind === "integer") ?? undefined;
    case "boolean":
      return text === "" ? undefined : text === "true";
    case "list": {
      const lines = text.split("\n").filter((it) => it.trim() !== "");
      if (lines.length === 0) return undefined;
      return item === "string" ? lines : lines.map((it) => read.number(pointer, it, false));
    }
    case "group": {
      const value = objectOf(field.fields, typed, read);
      return Object.keys(value).length > 0 || field.isRequired ? value : undefined;
    }
    default:
      return read.value(pointer, text);
  }
}

/** What has to be typed for this value. Without one, what the schema says that fields begin with. */
export function typedOf(fields: readonly SchemaField[], value?: unknown): Typed {
  const typed: Record<string, string> = {};
  const given = value as Record<string, unknown> | undefined;
  for (const it of fields) {
    const member = given === undefined ? it.initial : given?.[it.name];
    if (it.kind === "group") {
      Object.assign(typed, typedOf(it.fields, member ?? (given === undefined ? undefined : {})));
      continue;
    }
    // What must be either is one of both from the beginning.
    if (it.kind === "boolean" && member === undefined && it.isRequired) typed[it.pointer] = "false";
    if (member !== undefined) typed[it.pointer] = written(it, member);
  }
  return typed;
}

function written({ kind }: SchemaField, value: unknown): string {
  if (kind === "list" && Array.isArray(value)) return value.map(String).join("\n");
  if (kind === "choice" || kind === "json") return pretty(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Whether a form of these fields can hold this value, all of it. */
export function holds(fields: readonly SchemaField[], value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const made = composed(fields, typedOf(fields, value));
  return "body" in made && sameAs(made.body) === sameAs(value);
}

/** A text that is the same for equal values, in whatever order their members are. */
const sameAs = (value: unknown): string =>
  JSON.stringify(value, (_, it) =>
    typeof it === "object" && it !== null && !Array.isArray(it)
      ? Object.fromEntries(Object.entries(it).sort(([a], [b]) => (a < b ? -1 : 1)))
      : it,
  );

/** A value that is typed as JSON; it has to be an object. */
export const argumentsOf = (text: string) => madeOf<Record<string, unknown>>(text.trim() || "{}");

/** The same of what may be any JSON. */
export function anyOf(text: string): Made<unknown> {
  const { value, made } = reader();
  return made(value("", text.trim() || "{}"));
}
