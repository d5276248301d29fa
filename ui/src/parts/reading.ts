import { parseJson, parseObject, pretty } from "../kit/json";

/** What was made of a form: a body, or which fields cannot be read, by their pointers. */
export type Made<T> = { body: T } | { errors: Record<string, string> };

/** Reads what was typed into fields, all of them, and keeps what cannot be read. */
export function reader() {
  const errors: Record<string, string> = {};
  /** A number; `null` if nothing was typed. */
  const number = (pointer: string, text: string, isWhole = true): number | null => {
    if (text.trim() === "") return null;
    const value = Number(text);
    if (Number.isNaN(value) || (isWhole && !Number.isInteger(value)))
      errors[pointer] = isWhole ? "A whole number." : "A number.";
    return value;
  };
  const object = (pointer: string, text: string): Record<string, unknown> | null => {
    const parsed = parseObject(text);
    if ("error" in parsed) errors[pointer] = parsed.error;
    return "value" in parsed ? parsed.value : null;
  };
  /** Any value of JSON; `undefined` if nothing was typed. */
  const value = (pointer: string, text: string): unknown => {
    if (text.trim() === "") return undefined;
    const parsed = parseJson(text);
    if ("error" in parsed)
      errors[pointer] = parsed.line ? `Line ${parsed.line}: ${parsed.error}` : parsed.error;
    return "value" in parsed ? parsed.value : undefined;
  };
  const made = <T>(body: T): Made<T> => (Object.keys(errors).length > 0 ? { errors } : { body });
  return { number, object, value, errors, made };
}

/** A number as it is typed. */
export const words = (value: number | null | undefined) =>
  value === null || value === undefined ? "" : String(value);

/** A value as it is typed; one without anything in it is an empty field. */
export const json = (value: unknown) =>
  value === null || value === undefined || isEmpty(value) ? "" : pretty(value);

const isEmpty = (value: unknown) =>
  typeof value === "object" && value !== null && Object.keys(value).length === 0;

/** The body that stands in an editor of JSON. */
export function madeOf<T>(text: string): Made<T> {
  const parsed = parseJson(text);
  if ("error" in parsed)
    return { errors: { "": parsed.line ? `Line ${parsed.line}: ${parsed.error}` : parsed.error } };
  if (typeof parsed.value !== "object" || parsed.value === null || Array.isArray(parsed.value))
    return { errors: { "": "It must be a JSON object." } };
  return { body: parsed.value as T };
}
