import type { Approval } from "../api/types";

/** The question, as a title. */
export function questionOf(approval: Approval): string {
  if (approval.consent) return `Let ${approval.consent.upstream} be used in a person's name?`;
  if (approval.message) return approval.message;
  if (approval.kind === "unknown_effect") return `What became of the call of ${approval.tool.name}?`;
  return `Let ${approval.tool.name} be called?`;
}

/** Why it is asked, and what was done already. */
export function reasonOf(approval: Approval): string {
  if (approval.kind === "unknown_effect") {
    return "It was sent, and no answer was recorded: it may have been done or not. Look there before you decide.";
  }
  if (approval.consent) {
    return `${approval.tool.name} works for the person who began this run, and ${approval.consent.upstream} wants that person to agree. Nothing has been sent yet.`;
  }
  if (approval.kind === "step")
    return `A workflow goes on when somebody has decided. ${LATE[approval.on_timeout]}`;
  return "It needs the consent of a person. Nothing has been sent yet.";
}

/** What happens to a step that nobody decides on in time. */
const LATE: Record<Approval["on_timeout"], string> = {
  reject: "If nobody does in time, that is a no.",
  approve: "If nobody does in time, that is a yes.",
  fail: "If nobody does in time, its run fails.",
};

/** Whether whoever approves gives something with it. */
export const asksFor = (approval: Approval) =>
  approval.payload_schema !== undefined && approval.payload_schema !== null;

/** What stays until nobody can decide any more. */
export function msLeft(approval: Approval, now: number): number | null {
  if (!approval.expires_at) return null;
  return Math.max(Date.parse(approval.expires_at) - now, 0);
}

/** Arguments as names and texts; what is no text is JSON. */
export function argumentsOf(approval: Approval): [name: string, value: string][] {
  const given: unknown = approval.arguments ?? {};
  // A step may be given anything.
  const isObject = typeof given === "object" && !Array.isArray(given);
  const values = (isObject ? given : { input: given }) as Record<string, unknown>;
  return Object.entries(values).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value, null, 1),
  ]);
}
