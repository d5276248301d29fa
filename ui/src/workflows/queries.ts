import { queryOptions } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import { all, pagesOf, withNewest } from "../api/pages";
import type { components } from "../api/schema";
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

/** Begins a run. It is watched by its address, so that whoever opens the link sees the same. */
export const executeWorkflow = (
  id: string,
  body: Pick<components["schemas"]["ExecuteWorkflow"], "input" | "context">,
) => answer(api.POST("/workflows/{id}/execute", { params: path(id), body: { ...body, background: true } }));

/** The last runs of a workflow. */
export const lastRunsQuery = (name: string) =>
  queryOptions({
    queryKey: ["runs", "workflow", name],
    queryFn: () =>
      answer(api.GET("/runs", { params: { query: { kind: "workflow", definition: name, limit: 20 } } })),
    refetchInterval: 5_000,
  });

/** What begins runs of a workflow, and when that will be next. */
export const triggersQuery = (id: string) =>
  queryOptions({
    queryKey: ["workflows", "triggers", id],
    queryFn: () => answer(api.GET("/workflows/{id}/triggers", { params: path(id) })).then((it) => it.data),
    refetchInterval: 10_000,
  });

const triggerPath = (id: string, trigger: string) => ({ path: { id, trigger } });

const readFirings = (id: string, trigger: string, cursor?: string) =>
  answer(
    api.GET("/workflows/{id}/triggers/{trigger}/firings", {
      params: { ...triggerPath(id, trigger), query: { limit: 50, cursor } },
    }),
  );

/** The times at which a trigger began a run, or did not, the newest first. */
export const firingsQuery = (id: string, trigger: string) =>
  pagesOf(["workflows", "firings", id, trigger], (cursor) => readFirings(id, trigger, cursor));

/** Reads the newest of them again and again, and puts what is new before those that are read already. */
export const newestFiringsQuery = (id: string, trigger: string) =>
  queryOptions({
    queryKey: ["workflows", "newest firings", id, trigger],
    queryFn: async ({ client }) => {
      const newest = await readFirings(id, trigger);
      client.setQueryData(
        firingsQuery(id, trigger).queryKey,
        (before) => before && withNewest(before, newest),
      );
      return newest.data[0]?.id ?? null;
    },
    refetchInterval: 10_000,
  });

/** Has a trigger begin no more runs, or begin them again. */
export const turnTrigger = (id: string, trigger: string, isPaused: boolean) =>
  isPaused
    ? answer(api.POST("/workflows/{id}/triggers/{trigger}/pause", { params: triggerPath(id, trigger) }))
    : answer(api.POST("/workflows/{id}/triggers/{trigger}/resume", { params: triggerPath(id, trigger) }));

/** Begins a run as the trigger would, now; `undefined`: with the trigger's own input. */
export const fireTrigger = (id: string, trigger: string, input: unknown) =>
  answer(
    api.POST("/workflows/{id}/triggers/{trigger}/run", {
      params: triggerPath(id, trigger),
      body: input === undefined ? {} : { input },
    }),
  );
