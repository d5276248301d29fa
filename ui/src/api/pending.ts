import { queryOptions, useQuery } from "@tanstack/react-query";
import { answer, api } from "./client";
import { useMay } from "./me";

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
