/** What clients of MCP find, by its name on the wire. */
export interface Offer {
  name: string;
  is: "tool" | "agent" | "workflow" | "database";
  /** The name of what it is made of. */
  of: string;
  description: string;
  /** What a caller must hold beside `mcp.access`. */
  takes: readonly string[];
}

/** Names, beginnings of names with `*` behind, or `*` for all. */
export interface Expose {
  tools?: string[];
  agents?: string[];
  workflows?: string[];
  rag_databases?: string[];
}

interface Named {
  name: string;
  description: string;
  is_active?: boolean;
  scopes?: string[];
}

/** Whether one of the patterns means this name: as the server has it, whatever the case. */
export function means(patterns: readonly string[], name: string): boolean {
  const wanted = name.toLowerCase();
  return patterns.some((it) => {
    const pattern = it.toLowerCase();
    return pattern.endsWith("*") ? wanted.startsWith(pattern.slice(0, -1)) : wanted === pattern;
  });
}

/** What is offered of what there is, by names. A tool goes before what is made of something else. */
export function offersOf(
  expose: Expose,
  there: Readonly<Record<"tools" | "agents" | "workflows" | "databases", readonly Named[]>>,
): Offer[] {
  const shown = (all: readonly Named[], patterns: readonly string[] | undefined) =>
    all.filter((it) => it.is_active !== false && means(patterns ?? [], it.name));
  const tools = shown(there.tools, expose.tools ?? ["*"]).map(
    (it): Offer => ({ ...common(it, it.name, "tool"), takes: takes("tool.execute", it) }),
  );
  const agents = shown(there.agents, expose.agents ?? ["*"]).map(
    (it): Offer => ({ ...common(it, `ask_${it.name}`, "agent"), takes: takes("agent.execute", it) }),
  );
  const workflows = shown(there.workflows, expose.workflows ?? ["*"]).map(
    (it): Offer => ({ ...common(it, `run_${it.name}`, "workflow"), takes: takes("workflow.execute", it) }),
  );
  const databases = shown(there.databases, expose.rag_databases).map(
    (it): Offer => ({
      ...common(it, `search_${it.name}`, "database"),
      takes: ["rag.search", ...takes("tool.execute", it)],
    }),
  );
  const taken = new Set(there.tools.map((it) => it.name));
  const made = [...agents, ...workflows, ...databases].filter((it) => !taken.has(it.name));
  return [...tools, ...made].sort((a, b) => (a.name < b.name ? -1 : 1));
}

const common = ({ name, description }: Named, wire: string, is: Offer["is"]) => ({
  name: wire,
  is,
  of: name,
  description,
});

const takes = (scope: string, { scopes = [] }: Named) => [...new Set([scope, ...scopes])];
