import { queryOptions } from "@tanstack/react-query";
import { answer, api } from "../api/client";

export const settingsQuery = queryOptions({
  queryKey: ["settings"],
  queryFn: () => answer(api.GET("/settings")),
  staleTime: 60_000,
});

/** The models that are known by name. */
export const modelsQuery = queryOptions({
  queryKey: ["settings", "models"],
  queryFn: () => answer(api.GET("/models", { params: { query: { limit: 200 } } })),
  staleTime: 60_000,
});

export const testModel = (model: string) => answer(api.POST("/models/test", { body: { model } }));
