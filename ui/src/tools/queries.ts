import { queryOptions } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import { all } from "../api/pages";
import type { components } from "../api/schema";
import type { NewTool, Tool } from "../api/types";
import type { History } from "../parts/Versions";
import { CONTENT } from "./draft";

export type ImportOpenapi = components["schemas"]["ImportOpenapi"];
export type ImportedTool = components["schemas"]["ImportedTool"];

const path = (id: string) => ({ path: { id } });

/** All tools that one may see or execute. */
export const toolsQuery = queryOptions({
  queryKey: ["tools", "summaries"],
  queryFn: () => all((cursor) => answer(api.GET("/tools", { params: { query: { limit: 200, cursor } } }))),
});

/** All tools with all that they are made of. */
export const toolDefinitionsQuery = queryOptions({
  queryKey: ["tools", "definitions"],
  queryFn: () =>
    all((cursor) => answer(api.GET("/tools/definitions", { params: { query: { limit: 200, cursor } } }))),
});

/** What goes into a tool and comes out of it. */
export const toolQuery = (id: string) =>
  queryOptions({
    queryKey: ["tools", "interface", id],
    queryFn: () => answer(api.GET("/tools/{id}", { params: path(id) })),
  });

const readTool = (id: string, version?: number) =>
  answer(
    api.GET("/tools/definitions/{id}", {
      params: { ...path(id), query: version === undefined ? {} : { version } },
    }),
  );

export const toolDefinitionQuery = (id: string) =>
  queryOptions({ queryKey: ["tools", "definition", id], queryFn: () => readTool(id) });

export const toolHistory: History<Tool> = {
  key: "tools",
  list: (id) =>
    answer(api.GET("/tools/definitions/{id}/versions", { params: { ...path(id), query: { limit: 100 } } })),
  read: readTool,
  restore: (id, version) =>
    answer(
      api.POST("/tools/definitions/{id}/versions/{version}/restore", { params: { path: { id, version } } }),
    ),
  members: CONTENT,
};

export const createTool = (body: NewTool) => answer(api.POST("/tools/definitions", { body }));

/** Changes a tool, unless somebody else did since `version`; without one, whatever others did. */
export const changeTool = (id: string, version: number | null, body: Partial<NewTool>) =>
  answer(
    api.PUT("/tools/definitions/{id}", {
      params: { ...path(id), ...(version !== null && { header: { "If-Match": `"${version}"` } }) },
      body,
    }),
  );

export const deleteTool = (id: string, force: boolean) =>
  api.DELETE("/tools/definitions/{id}", { params: { ...path(id), query: force ? { force } : {} } });

/** Has one answer again, or nobody any more. */
export const turnTool = (id: string, isActive: boolean) =>
  isActive
    ? answer(api.POST("/tools/definitions/{id}/activate", { params: path(id) }))
    : answer(api.POST("/tools/definitions/{id}/deactivate", { params: path(id) }));

/** What a definition may name, as far as one may see it. */
export const pickedQuery = (mayAgents: boolean, mayWorkflows: boolean, mayRag: boolean) =>
  queryOptions({
    queryKey: ["tools", "picked", mayAgents, mayWorkflows, mayRag],
    queryFn: async () => {
      const query = (cursor: string | undefined) => ({ params: { query: { limit: 200, cursor } } });
      const [agents, workflows, databases] = await Promise.all([
        mayAgents ? all((cursor) => answer(api.GET("/agents", query(cursor)))) : [],
        mayWorkflows ? all((cursor) => answer(api.GET("/workflows", query(cursor)))) : [],
        mayRag ? all((cursor) => answer(api.GET("/rag/databases", query(cursor)))) : [],
      ]);
      return {
        agents: agents.map((it) => it.name),
        workflows: workflows.map((it) => it.name),
        databases: databases.map((it) => it.name),
      };
    },
    staleTime: 10_000,
  });

/** Begins a call. It is watched by its run, so that whoever opens the link sees the same. */
export const callTool = (id: string, input: Record<string, unknown>) =>
  answer(
    api.POST("/tools/{id}/execute", { params: path(id), body: { input: input as never, background: true } }),
  );

/** The last calls of a tool by itself. */
export const callsQuery = (name: string) =>
  queryOptions({
    queryKey: ["runs", "calls", name],
    queryFn: () =>
      answer(api.GET("/runs", { params: { query: { kind: "tool", definition: name, limit: 20 } } })),
    refetchInterval: 5_000,
  });

/** Tools of the operations of an OpenAPI document; none is made in a dry run. */
export const importOpenapi = (body: ImportOpenapi) => answer(api.POST("/tools/import/openapi", { body }));
