import { queryOptions, useQuery } from "@tanstack/react-query";
import { answer, api } from "./client";
import { useMay } from "./me";
import { pagesOf } from "./pages";
import type { components } from "./schema";
import type { Approval } from "./types";

/** The approvals that wait for a decision; asked again every ten seconds as long as the page is seen. */
export const pendingQuery = queryOptions({
  queryKey: ["approvals", "pending"],
  queryFn: () => answer(api.GET("/approvals", { params: { query: { status: "pending", limit: 100 } } })),
  refetchInterval: 10_000,
});

/** How many decisions wait for whoever is signed in. */
export function usePendingCount(): number {
  const may = useMay("approval.decide");
  const { data } = useQuery({ ...pendingQuery, enabled: may });
  return data?.data.length ?? 0;
}

/** What was decided so, or by nobody in time. */
export const decidedQuery = (status: Exclude<Approval["status"], "pending">) =>
  pagesOf(["approvals", status], (cursor) =>
    answer(api.GET("/approvals", { params: { query: { status, limit: 50, cursor } } })),
  );

/** What a run waits for. */
export const pendingOfQuery = (run_id: string) =>
  queryOptions({
    queryKey: ["approvals", "of", run_id],
    queryFn: () => answer(api.GET("/approvals", { params: { query: { run_id, status: "pending" } } })),
    refetchInterval: 5_000,
  });

export const decide = (id: string, body: components["schemas"]["DecisionAsked"]) =>
  answer(api.POST("/approvals/{id}", { params: { path: { id } }, body }));
