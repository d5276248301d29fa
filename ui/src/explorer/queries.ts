import { queryOptions } from "@tanstack/react-query";
import { callHere } from "../api/asClient";
import { type Document, operationsOf } from "./operations";

/** All calls of the API, read from what the server says of itself. */
export const operationsQuery = queryOptions({
  queryKey: ["api", "operations"],
  queryFn: async () => operationsOf((await callHere("GET", "/openapi.json", {})).body as Document),
  staleTime: Number.POSITIVE_INFINITY,
});
