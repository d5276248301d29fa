/** What a conversation is compared with: an agent, or one of its versions. */
export interface Side {
  agent: string;
  /** `null`: the one that answers now. */
  version: number | null;
}

/** Reads `support` or `support@3`, as it stands in the URL. */
export function sideOf(text: string): Side {
  const [, agent = text, version] = /^(.*)@(\d+)$/.exec(text) ?? [];
  return { agent, version: version === undefined ? null : Number(version) };
}

/** What can be chosen: earlier versions of the agent, the newest first, then other agents. */
export function choicesFor(agent: string, version: number, others: readonly string[]): [string, string][] {
  const before = Array.from({ length: Math.min(version - 1, 20) }, (_, at) => version - 1 - at);
  return [
    ...before.map((it): [string, string] => [`${agent}@${it}`, `${agent}, version ${it}`]),
    ...others.filter((it) => it !== agent).map((it): [string, string] => [it, it]),
  ];
}

/** Whether the first of two figures is the better one: the smaller, if both are known. */
export const isBetter = (one: number | null, other: number | null) =>
  one !== null && other !== null && one < other;
