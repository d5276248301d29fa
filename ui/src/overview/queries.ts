import { queryOptions } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import { all } from "../api/pages";
import type { components } from "../api/schema";
import { SPANS, type SpanName } from "./search";

type Settings = components["schemas"]["Settings"];

/** The figures of a time up to now. */
export const statsQuery = (span: SpanName) =>
  queryOptions({
    queryKey: ["stats", span],
    queryFn: () => {
      const { minutes, step } = SPANS[span];
      // Up to the end of this minute, so that the steps are the same all through it.
      const end = Math.floor(Date.now() / 60_000 + 1) * 60_000;
      const from = new Date(end - minutes * 60_000).toISOString();
      return answer(api.GET("/stats", { params: { query: { from, step_ms: step * 60_000 } } }));
    },
    staleTime: 0,
    refetchInterval: span === "1h" ? 10_000 : 60_000,
    placeholderData: (before) => before,
  });

/** One's last runs, or those of all if one may see them. */
export const lastRunsQuery = queryOptions({
  queryKey: ["runs", "last"],
  queryFn: () => answer(api.GET("/runs", { params: { query: { limit: 10 } } })),
  refetchInterval: 10_000,
});

/** How clients are called. */
export const clientNamesQuery = queryOptions({
  queryKey: ["oauth", "clients", "names"],
  queryFn: () =>
    all((cursor) => answer(api.GET("/oauth/clients", { params: { query: { limit: 200, cursor } } }))),
  staleTime: 60_000,
});

/** What leads from nothing to an agent that a program calls; `null`: not for whoever is signed in. */
export interface Steps {
  model: boolean | null;
  agent: boolean | null;
  documents: boolean | null;
  run: boolean | null;
  client: boolean | null;
}

/** Which of the first steps are done. */
export const stepsQuery = (scopes: readonly string[]) =>
  queryOptions({
    queryKey: ["steps", scopes],
    queryFn: async (): Promise<Steps> => {
      const may = (...any: string[]) => any.some((it) => scopes.includes(it));
      const first = { params: { query: { limit: 5 } } };
      const [settings, agents, databases, runs, clients] = await Promise.all([
        may("admin.read") ? answer(api.GET("/settings")) : null,
        may("agent.write") ? answer(api.GET("/agents/definitions", first)) : null,
        may("rag.write") ? answer(api.GET("/rag/databases", first)) : null,
        may("run.read", "agent.execute", "workflow.execute")
          ? answer(api.GET("/runs", { params: { query: { limit: 1 } } }))
          : null,
        may("client.write") ? answer(api.GET("/oauth/clients", first)) : null,
      ]);
      return {
        model: settings && hasModel(settings),
        agent: agents?.data.some((it) => it.name !== "demo") ?? null,
        documents: databases?.data.some((it) => it.stats.documents > 0) ?? null,
        run: runs && runs.data.length > 0,
        client: clients?.data.some((it) => it.last_used_at) ?? null,
      };
    },
    staleTime: 0,
  });

/** Whether a model was connected: those that need no key may be or not. */
const hasModel = ({ models }: Settings) =>
  !models.default.startsWith("demo/") ||
  models.providers.some((it) => !["demo", "ollama"].includes(it.name) && !it.missing);
