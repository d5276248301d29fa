import { queryOptions } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import { all } from "../api/pages";
import type { NewWorkflow, Workflow } from "../api/types";
import type { History } from "../parts/Versions";
import { CONTENT } from "./draft";

const path = (id: string) => ({ path: { id } });
const page = (cursor: string | undefined) => ({ params: { query: { limit: 200, cursor } } });

/** All workflows that one may execute. */
export const workflowsQuery = queryOptions({
  queryKey: ["workflows", "summaries"],
  queryFn: () => all((cursor) => answer(api.GET("/workflows", page(cursor)))),
});

/** All workflows with all that they are made of. */
export const workflowDefinitionsQuery = queryOptions({
  queryKey: ["workflows", "definitions"],
  queryFn: () => all((cursor) => answer(api.GET("/workflows/definitions", page(cursor)))),
});

/** What goes into a workflow and comes out of it. */
export const workflowQuery = (id: string) =>
  queryOptions({
    queryKey: ["workflows", "interface", id],
    queryFn: () => answer(api.GET("/workflows/{id}", { params: path(id) })),
  });

const readWorkflow = (id: string, version?: number) =>
  answer(
    api.GET("/workflows/definitions/{id}", {
      params: { ...path(id), query: version === undefined ? {} : { version } },
    }),
  );

export const workflowDefinitionQuery = (id: string) =>
  queryOptions({ queryKey: ["workflows", "definition", id], queryFn: () => readWorkflow(id) });

export const workflowHistory: History<Workflow> = {
  key: "workflows",
  list: (id) =>
    answer(
      api.GET("/workflows/definitions/{id}/versions", { params: { ...path(id), query: { limit: 100 } } }),
    ),
  read: readWorkflow,
  restore: (id, version) =>
    answer(
      api.POST("/workflows/definitions/{id}/versions/{version}/restore", {
        params: { path: { id, version } },
      }),
    ),
  members: CONTENT as unknown as (keyof Workflow & string)[],
};

export const createWorkflow = (body: NewWorkflow) => answer(api.POST("/workflows/definitions", { body }));

/** Changes a workflow, unless somebody else did since `version`; without one, whatever others did. */
export const changeWorkflow = (id: string, version: number | null, body: Partial<NewWorkflow>) =>
  answer(
    api.PUT("/workflows/definitions/{id}", {
      params: { ...path(id), ...(version !== null && { header: { "If-Match": `"${version}"` } }) },
      body,
    }),
  );

/** Says what would be wrong with a workflow if it were saved. */
export const checkWorkflow = async (body: NewWorkflow) => {
  const { problems } = await answer(api.POST("/workflows/drafts/check", { body }));
  return problems;
};

export const deleteWorkflow = (id: string, force: boolean) =>
  api.DELETE("/workflows/definitions/{id}", { params: { ...path(id), query: force ? { force } : {} } });

/** Has one be executed again, or by nobody any more. */
export const turnWorkflow = (id: string, isActive: boolean) =>
  isActive
    ? answer(api.POST("/workflows/definitions/{id}/activate", { params: path(id) }))
    : answer(api.POST("/workflows/definitions/{id}/deactivate", { params: path(id) }));

const readSteps = async () => (await answer(api.GET("/workflows/code/steps"))).data;

/** What entries may name, as far as one may see it: the pickers offer it. */
export const namesQuery = (mayAgents: boolean, mayTools: boolean, maySteps: boolean) =>
  queryOptions({
    queryKey: ["workflows", "names", mayAgents, mayTools, maySteps],
    queryFn: async () => {
      const [agents, tools, workflows, steps] = await Promise.all([
        mayAgents ? all((cursor) => answer(api.GET("/agents", page(cursor)))) : [],
        mayTools ? all((cursor) => answer(api.GET("/tools", page(cursor)))) : [],
        all((cursor) => answer(api.GET("/workflows", page(cursor)))),
        maySteps ? readSteps() : [],
      ]);
      const named = (list: readonly { name: string }[]) => list.map((it) => it.name).sort();
      return { agent: named(agents), tool: named(tools), workflow: named(workflows), step: named(steps) };
    },
    staleTime: 30_000,
  });

/** What goes into a tool or a step of the program. */
export const inputSchemaQuery = (kind: "tool" | "step", name: string) =>
  queryOptions({
    queryKey: ["workflows", "input", kind, name],
    queryFn: async () =>
      (kind === "tool"
        ? await answer(api.GET("/tools/{id}", { params: path(name) }))
        : (await readSteps()).find((it) => it.name === name)
      )?.input_schema ?? null,
    staleTime: 30_000,
    retry: false,
  });

/** The next times of a schedule. */
export const scheduleQuery = (cron: string, timezone: string) =>
  queryOptions({
    queryKey: ["workflows", "schedule", cron, timezone],
    queryFn: () =>
      answer(
        api.POST("/workflows/schedules/preview", {
          body: { cron, ...(timezone && { timezone }), count: 5 },
        }),
      ),
    staleTime: 10_000,
    retry: false,
  });
