import { queryOptions } from "@tanstack/react-query";
import { answer, api } from "./client";
import { all } from "./pages";

/** The secrets that a definition may name. */
export const secretNamesQuery = queryOptions({
  queryKey: ["secrets", "names"],
  queryFn: () => all((cursor) => answer(api.GET("/secrets", { params: { query: { limit: 200, cursor } } }))),
  staleTime: 10_000,
});
