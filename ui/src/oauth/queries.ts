import { queryOptions } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import { pagesOf } from "../api/pages";
import type { components } from "../api/schema";
import type { AuditSearch } from "./search";

type Schemas = components["schemas"];
export type Client = Schemas["Client"];
export type MadeClient = Schemas["ClientInformation"];
export type ApiKey = Schemas["ApiKey"];
export type User = Schemas["User"];
export type Session = Schemas["Session"];
export type Grant = Schemas["Grant"];
export type SigningKey = Schemas["SigningKey"];

const page = (cursor: string | undefined) => ({ params: { query: { limit: 100, cursor } } });
const path = (client_id: string) => ({ path: { client_id } });

/** Programs that may ask for tokens. */
export const clientsQuery = pagesOf(["oauth", "clients"], (cursor) =>
  answer(api.GET("/oauth/clients", page(cursor))),
);

export const clientQuery = (id: string) =>
  queryOptions({
    queryKey: ["oauth", "clients", id],
    queryFn: () => answer(api.GET("/oauth/clients/{client_id}", { params: path(id) })),
  });

export const registerClient = (body: Schemas["NewClient"]) => answer(api.POST("/oauth/register", { body }));
export const changeClient = (id: string, body: Schemas["ClientChange"]) =>
  answer(api.PATCH("/oauth/clients/{client_id}", { params: path(id), body }));
export const deleteClient = (id: string) => api.DELETE("/oauth/clients/{client_id}", { params: path(id) });
/** Another secret; the one before is good for so long. */
export const rotateSecret = (id: string, overlap_seconds: number) =>
  answer(api.POST("/oauth/clients/{client_id}/secret", { params: path(id), body: { overlap_seconds } }));

export const keysOfClientQuery = (id: string) =>
  queryOptions({
    queryKey: ["oauth", "clients", id, "keys"],
    queryFn: () => answer(api.GET("/oauth/clients/{client_id}/keys", { params: path(id) })),
  });
export const makeApiKey = (id: string, name: string, scope: string) =>
  answer(api.POST("/oauth/clients/{client_id}/keys", { params: path(id), body: { name, scope } }));
export const deleteApiKey = (client_id: string, id: string) =>
  api.DELETE("/oauth/clients/{client_id}/keys/{id}", { params: { path: { client_id, id } } });

/** The agents that a client may be tried with, with all that is known of them. */
export const agentsQuery = (mayAll: boolean) =>
  queryOptions({
    queryKey: ["agents", "simulator", mayAll],
    queryFn: async () => {
      const page = { params: { query: { limit: 200 } } };
      if (!mayAll) return (await answer(api.GET("/agents", page))).data;
      return (await answer(api.GET("/agents/definitions", page))).data;
    },
  });

/** People who may sign in. */
export const usersQuery = pagesOf(["users", "list"], (cursor) => answer(api.GET("/users", page(cursor))));
/** Where they are signed in. */
export const sessionsQuery = pagesOf(["users", "sessions"], (cursor) =>
  answer(api.GET("/sessions", page(cursor))),
);
/** What they let programs do for them. */
export const grantsQuery = pagesOf(["users", "grants"], (cursor) => answer(api.GET("/grants", page(cursor))));

const one = (id: string) => ({ path: { id } });
export const createUser = (body: Schemas["NewUser"]) => answer(api.POST("/users", { body }));
export const changeUser = (id: string, body: Schemas["UserChange"]) =>
  answer(api.PUT("/users/{id}", { params: one(id), body }));
export const setPassword = (id: string, password: string) =>
  api.PUT("/users/{id}/password", { params: one(id), body: { password } });
export const deleteUser = (id: string) => api.DELETE("/users/{id}", { params: one(id) });
export const endSession = (id: string) => api.DELETE("/sessions/{id}", { params: one(id) });
export const endGrant = (id: string) => api.DELETE("/grants/{id}", { params: one(id) });

/** The keys that sign tokens. */
export const signingKeysQuery = queryOptions({
  queryKey: ["oauth", "keys"],
  queryFn: () => answer(api.GET("/oauth/keys")),
  refetchInterval: 30_000,
});
export const makeSigningKey = (now: boolean) => answer(api.POST("/oauth/keys", { body: { now } }));
export const retireSigningKey = (kid: string) =>
  api.DELETE("/oauth/keys/{kid}", { params: { path: { kid } } });
export const importSigningKey = () => answer(api.POST("/oauth/keys/import"));

/** Who administered what, and who was refused. */
export const auditQuery = (search: AuditSearch) =>
  pagesOf(["audit", search], (cursor) =>
    answer(api.GET("/audit", { params: { query: { ...search, limit: 100, cursor } } })),
  );
/** Whether each entry is as it was written. */
export const verifyQuery = queryOptions({
  queryKey: ["audit", "verify"],
  queryFn: () => answer(api.GET("/audit/verify")),
  staleTime: 60_000,
});
