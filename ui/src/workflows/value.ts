import { isObject, Unread } from "../graph/entry";
import { isSpecial } from "../graph/words";

/** How a value is typed. */
export type Mode = "none" | "reads" | "text" | "members" | "json";

/** The mode that shows a value best. */
export function modeOf(value: unknown): Mode {
  if (value === undefined) return "none";
  if (value instanceof Unread) return "json";
  if (typeof value === "string") return "text";
  if (isSpecial(value)) {
    if (Object.keys(value).length > 1) return "json";
    if (typeof value.$ === "string") return "reads";
    return typeof value.$template === "string" ? "text" : "json";
  }
  return isObject(value) ? "members" : "json";
}

/** Whether a value can be shown so; as JSON all can. */
export const canShow = (mode: Mode, value: unknown) =>
  mode === modeOf(value) || (mode === "json" && value !== undefined);

/** A value to begin with when it is typed another way: what can be kept is. */
export function changedTo(mode: Mode, value: unknown): unknown {
  switch (mode) {
    case "none":
      return undefined;
    case "reads":
      return { $: "/previous" };
    case "text":
      return typeof value === "number" || typeof value === "boolean" ? String(value) : "";
    case "members":
      return {};
    default:
      return value === undefined || value instanceof Unread ? null : value;
  }
}

/** A text that is typed: with places to fill in it is a template. */
export const textTyped = (text: string): unknown => (text.includes("{{") ? { $template: text } : text);

export const textShown = (value: unknown): string =>
  typeof value === "string"
    ? value
    : isObject(value) && typeof value.$template === "string"
      ? value.$template
      : "";
