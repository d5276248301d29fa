import { isObject, Unread } from "../graph/entry";
import { isSpecial } from "../graph/words";

/** How a value is typed. */
export type Mode = "none" | "seconds" | "reads" | "text" | "members" | "json";

/** The mode that shows a value best. */
export function modeOf(value: unknown): Mode {
  if (value === undefined) return "none";
  if (value instanceof Unread) return "json";
  // As a text it would be a template as soon as somebody types.
  if (typeof value === "string") return hasPlaces(value) ? "json" : "text";
  if (isSpecial(value)) {
    if (Object.keys(value).length > 1) return "json";
    if (typeof value.$ === "string") return "reads";
    return typeof value.$template === "string" ? "text" : "json";
  }
  return isObject(value) ? "members" : "json";
}

/** Whether a value can be shown so; as JSON all can. */
export function canShow(mode: Mode, value: unknown, isPlain = false): boolean {
  if (mode === "json") return value !== undefined;
  if (mode === "seconds") return value === undefined || typeof value === "number" || value instanceof Unread;
  return mode === modeOf(value) || (mode === "text" && isPlain && typeof value === "string");
}

/** A value to begin with when it is typed another way: what can be kept is. */
export function changedTo(mode: Mode, value: unknown): unknown {
  switch (mode) {
    case "none":
      return undefined;
    case "reads":
      return { $: "/previous" };
    case "seconds":
      return 60_000;
    case "text":
      if (typeof value === "string") return textTyped(value);
      return typeof value === "number" || typeof value === "boolean" ? String(value) : "";
    case "members":
      return {};
    default:
      return value === undefined || value instanceof Unread ? null : value;
  }
}

/** A text that is typed: with places to fill in it is a template. */
export const textTyped = (text: string): unknown => (hasPlaces(text) ? { $template: text } : text);

const hasPlaces = (text: string) => text.includes("{{");

export const textShown = (value: unknown): string =>
  typeof value === "string"
    ? value
    : isObject(value) && typeof value.$template === "string"
      ? value.$template
      : "";
