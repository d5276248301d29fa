import { answer, api } from "../api/client";
import { pagesOf } from "../api/pages";
import type { components } from "../api/schema";

type Schemas = components["schemas"];
export type Secret = Schemas["Secret"];

export const secretsQuery = pagesOf(["secrets"], (cursor) =>
  answer(api.GET("/secrets", { params: { query: { limit: 100, cursor } } })),
);
export const createSecret = (body: Schemas["NewSecret"]) => answer(api.POST("/secrets", { body }));
export const changeSecret = (name: string, body: Schemas["SecretChange"]) =>
  answer(api.PUT("/secrets/{name}", { params: { path: { name } }, body }));
export const deleteSecret = (name: string, force: boolean) =>
  api.DELETE("/secrets/{name}", { params: { path: { name }, query: force ? { force } : {} } });
