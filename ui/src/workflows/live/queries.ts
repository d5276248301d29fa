import { queryOptions } from "@tanstack/react-query";
import { answer, api } from "../../api/client";
import { pagesOf } from "../../api/pages";
import type { components } from "../../api/schema";

export type WorkflowInterface = components["schemas"]["WorkflowInterface"];

const path = (id: string) => ({ path: { id } });
const triggerPath = (id: string, trigger: string) => ({ path: { id, trigger } });

/** Begins a run. It is watched by its address, so that whoever opens the link sees the same. */
export const executeWorkflow = (id: string, body: { input: unknown; context?: Record<string, unknown> }) =>
  answer(
    api.POST("/workflows/{id}/execute", {
      params: path(id),
      body: { ...body, background: true } as never,
    }),
  );

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

/** The times at which a trigger began a run, or did not, the newest first. */
export const firingsQuery = (id: string, trigger: string) => ({
  ...pagesOf(["workflows", "firings", id, trigger], (cursor) =>
    answer(
      api.GET("/workflows/{id}/triggers/{trigger}/firings", {
        params: { ...triggerPath(id, trigger), query: { limit: 50, cursor } },
      }),
    ),
  ),
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
      body: (input === undefined ? {} : { input }) as never,
    }),
  );
