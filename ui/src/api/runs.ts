import { queryOptions } from "@tanstack/react-query";
import { answer, api } from "./client";
import type { Status } from "./types";

export const isOver = (status: Status) => ["succeeded", "failed", "canceled", "timed_out"].includes(status);

/** A run with what went in and came out, read again as long as it goes on. */
export const runQuery = (id: string) =>
  queryOptions({
    queryKey: ["runs", "one", id],
    queryFn: () => answer(api.GET("/runs/{id}", { params: { path: { id } } })),
    refetchInterval: ({ state }) => (state.data && isOver(state.data.status) ? false : 500),
  });

export const cancelRun = (id: string, reason: string | null = null) =>
  answer(api.POST("/runs/{id}/cancel", { params: { path: { id } }, body: { reason } }));
