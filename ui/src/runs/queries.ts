import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { pendingOfQuery } from "../api/approvals";
import { answer, api } from "../api/client";
import { isOver } from "../api/runs";
import type { components } from "../api/schema";
import type { Run, Span, Tree } from "../api/types";
import { createdAfter, type RunsSearch } from "./search";

const filters = (search: RunsSearch) => ({
  status: search.status,
  kind: search.kind,
  definition: search.definition,
  user: search.user,
  thread_id: search.thread,
  text: search.text,
  created_after: createdAfter(search.since, new Date()),
});

/** The runs that fit, page by page, the newest first. */
export const runsQuery = (search: RunsSearch) =>
  infiniteQueryOptions({
    queryKey: ["runs", "list", search],
    queryFn: ({ pageParam }) => {
      // A cursor holds for the filters that it was made with, and these have a time in them.
      const [cursor, created_after] = pageParam ?? [undefined, filters(search).created_after];
      const query = { ...filters(search), created_after, limit: 100, cursor };
      return answer(api.GET("/runs", { params: { query } })).then((page) => ({ ...page, created_after }));
    },
    initialPageParam: undefined as [cursor: string, createdAfter: string | undefined] | undefined,
    getNextPageParam: (page) =>
      page.next_cursor ? ([page.next_cursor, page.created_after] as [string, string | undefined]) : undefined,
    refetchOnWindowFocus: false,
  });

/** The newest of them, asked again and again: what is new, and what became of those that are shown. */
export const latestQuery = (search: RunsSearch) =>
  queryOptions({
    queryKey: ["runs", "latest", search],
    queryFn: () => answer(api.GET("/runs", { params: { query: { ...filters(search), limit: 100 } } })),
    refetchInterval: 3_000,
  });

/** What whoever looks at a run may see beside it. */
export interface May {
  decide: boolean;
  /** The definitions of workflows. */
  define: boolean;
}

/**
 * A run and those below it; read again each second as long as it goes on. What it waits for is read with it, and the
 * definition of a workflow, so that nothing comes in later above what is looked at.
 */
export const treeQuery = (id: string, may: May) =>
  queryOptions({
    queryKey: ["runs", "tree", id],
    queryFn: async ({ client }) => {
      const tree = await answer(api.GET("/runs/{id}/tree", { params: { path: { id } } }));
      const { kind, status, definition } = tree.run;
      if (may.define && kind === "workflow") await client.prefetchQuery(workflowAtQuery(definition));
      if (may.decide && !isOver(status)) {
        const asking = [id, ...suspendedBelow(tree).map((it) => it.id)];
        await Promise.all(asking.map((it) => client.prefetchQuery(pendingOfQuery(it))));
      }
      return tree;
    },
    refetchInterval: ({ state }) => (state.data && isOver(state.data.run.status) ? false : 1_000),
  });

/** The runs below that wait for a person; of very many the first. */
export const suspendedBelow = ({ run, spans }: Tree): Span[] =>
  spans.filter((it) => it.kind === "run" && it.status === "suspended" && it.id !== run.id).slice(0, 5);

/** The version of a workflow that a run is pinned to. It never changes. */
export const workflowAtQuery = ({ id, version }: Run["definition"]) =>
  queryOptions({
    queryKey: ["workflows", "version", id, version],
    queryFn: () =>
      answer(api.GET("/workflows/definitions/{id}", { params: { path: { id }, query: { version } } })),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });

/** What a run was given. It never changes, either. */
export const inputQuery = (id: string) =>
  queryOptions({
    queryKey: ["runs", "input", id],
    queryFn: () => answer(api.GET("/runs/{id}", { params: { path: { id } } })).then((it) => it.input),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const retryRun = (id: string) =>
  answer(api.POST("/runs/{id}/retry", { params: { path: { id } }, body: {} }));

/** Tells of something that happened outside; says how many runs had waited for it, and how many it began. */
export const bringEvent = (body: components["schemas"]["NewEvent"]) =>
  answer(api.POST("/workflows/events", { body }));

/** From where another run goes on, and with what instead of what was recorded. */
export type ForkAsked = components["schemas"]["Fork"];

export const forkRun = (id: string, body: ForkAsked) =>
  answer(api.POST("/runs/{id}/fork", { params: { path: { id } }, body }));
