/** A list of scopes as OAuth writes it, in its words. */
export const words = (scope: string) => scope.split(" ").filter(Boolean);

/** What programs mostly need. */
export const USUAL = [
  "agent.read",
  "agent.execute",
  "tool.execute",
  "rag.search",
  "run.read",
  "thread.read",
  "thread.write",
];
