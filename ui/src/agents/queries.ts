import { queryOptions } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import { all } from "../api/pages";
import type { Agent, NewAgent } from "../api/types";
import type { History } from "../parts/Versions";
import { CONTENT } from "./draft";
import type { contentFor } from "./images";

const path = (id: string) => ({ path: { id } });

/** All agents that one may execute. */
export const agentsQuery = queryOptions({
  queryKey: ["agents", "summaries"],
  queryFn: () => all((cursor) => answer(api.GET("/agents", { params: { query: { limit: 200, cursor } } }))),
});

/** All agents with all that they are made of. */
export const definitionsQuery = queryOptions({
  queryKey: ["agents", "definitions"],
  queryFn: () =>
    all((cursor) => answer(api.GET("/agents/definitions", { params: { query: { limit: 200, cursor } } }))),
});

export const agentQuery = (id: string) =>
  queryOptions({
    queryKey: ["agents", "summary", id],
    queryFn: () => answer(api.GET("/agents/{id}", { params: path(id) })),
  });

const readAgent = (id: string, version?: number) =>
  answer(
    api.GET("/agents/definitions/{id}", {
      params: { ...path(id), query: version === undefined ? {} : { version } },
    }),
  );

export const definitionQuery = (id: string) =>
  queryOptions({ queryKey: ["agents", "definition", id], queryFn: () => readAgent(id) });

export const agentHistory: History<Agent> = {
  key: "agents",
  list: (id) =>
    answer(api.GET("/agents/definitions/{id}/versions", { params: { ...path(id), query: { limit: 100 } } })),
  read: readAgent,
  restore: (id, version) =>
    answer(
      api.POST("/agents/definitions/{id}/versions/{version}/restore", { params: { path: { id, version } } }),
    ),
  members: CONTENT,
};

/** What a definition may name, as far as one may see it: the pickers offer it. */
export const namesQuery = (mayTools: boolean, mayWorkflows: boolean, mayRag: boolean) =>
  queryOptions({
    queryKey: ["agents", "names", mayTools, mayWorkflows, mayRag],
    queryFn: async () => {
      const [models, tools, agents, workflows, databases] = await Promise.all([
        all((cursor) => answer(api.GET("/models", { params: { query: { limit: 200, cursor } } }))),
        mayTools
          ? all((cursor) => answer(api.GET("/tools", { params: { query: { limit: 200, cursor } } })))
          : [],
        all((cursor) => answer(api.GET("/agents", { params: { query: { limit: 200, cursor } } }))),
        mayWorkflows
          ? all((cursor) => answer(api.GET("/workflows", { params: { query: { limit: 200, cursor } } })))
          : [],
        mayRag
          ? all((cursor) => answer(api.GET("/rag/databases", { params: { query: { limit: 200, cursor } } })))
          : [],
      ]);
      return {
        models,
        tools: tools.map((it) => it.name),
        agents: agents.map((it) => it.name),
        workflows: workflows.map((it) => it.name),
        databases: databases.map((it) => it.name),
      };
    },
    staleTime: 30_000,
  });

export const createAgent = (body: NewAgent) => answer(api.POST("/agents/definitions", { body }));

/** Changes an agent, unless somebody else did since `version`; without one, whatever others did. */
export const changeAgent = (id: string, version: number | null, body: Partial<NewAgent>) =>
  answer(
    api.PUT("/agents/definitions/{id}", {
      params: { ...path(id), ...(version !== null && { header: { "If-Match": `"${version}"` } }) },
      body,
    }),
  );

export const deleteAgent = (id: string, force: boolean) =>
  api.DELETE("/agents/definitions/{id}", { params: { ...path(id), query: force ? { force } : {} } });

/** Has one answer again, or nobody any more. */
export const turnAgent = (id: string, isActive: boolean) =>
  isActive
    ? answer(api.POST("/agents/definitions/{id}/activate", { params: path(id) }))
    : answer(api.POST("/agents/definitions/{id}/deactivate", { params: path(id) }));

/** The threads that were begun here with this agent. */
export const threadsQuery = (agent: string) =>
  queryOptions({
    queryKey: ["threads", agent],
    queryFn: async () => {
      const { data } = await answer(api.GET("/threads", { params: { query: { limit: 200 } } }));
      return data.filter((it) => (it.metadata as { agent?: string }).agent === agent);
    },
  });

/** What was said in a thread, and the run that is at work on it. */
export const threadQuery = (id: string) =>
  queryOptions({
    queryKey: ["threads", "one", id],
    queryFn: async () => {
      const [thread, messages] = await Promise.all([
        answer(api.GET("/threads/{id}", { params: path(id) })),
        all((cursor) =>
          answer(
            api.GET("/threads/{id}/messages", { params: { ...path(id), query: { limit: 200, cursor } } }),
          ),
        ),
      ]);
      return { thread, messages };
    },
    staleTime: Number.POSITIVE_INFINITY,
  });

export const createThread = (agent: string, title: string) =>
  answer(api.POST("/threads", { body: { title, user: null, metadata: { agent } } }));

export const deleteThread = (id: string) => api.DELETE("/threads/{id}", { params: path(id) });

/** What a run is begun with. */
export interface Begin {
  input: ReturnType<typeof contentFor>;
  thread_id: string | null;
  context: Record<string, unknown> | null;
  /** `null`: the version that answers now. */
  version: number | null;
}

/** Begins a run. It is watched by its events, so that whoever comes back later sees the same. */
export const beginRun = (id: string, { input, thread_id, context, version }: Begin) =>
  answer(
    api.POST("/agents/{id}/execute", {
      params: path(id),
      body: {
        input,
        background: true,
        ...(thread_id && { thread_id }),
        ...(version && { version }),
        ...(context && { context: context as never }),
      },
    }),
  );
