import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import { pagesOf } from "../api/pages";
import type { components } from "../api/schema";
import type { DatabaseSearch, Mode } from "./search";

type Schemas = components["schemas"];
export type Database = Schemas["RagDatabaseState"];
export type Document = Schemas["RagDocument"];
export type Chunk = Schemas["RagChunk"];
export type Hit = Schemas["RagHit"];
export type NewDatabase = Schemas["NewDatabase"];

const path = (id: string) => ({ path: { id } });

export const databasesQuery = pagesOf(["rag", "databases"], (cursor) =>
  answer(api.GET("/rag/databases", { params: { query: { limit: 200, cursor } } })),
);

export const databaseQuery = (id: string) =>
  queryOptions({
    queryKey: ["rag", "database", id],
    queryFn: () => answer(api.GET("/rag/databases/{id}", { params: path(id) })),
    refetchInterval: ({ state }) => (state.data?.status === "reindexing" ? 2_000 : false),
  });

const isAtWork = (it: Document) => ["pending", "processing"].includes(it.embedding_status);

/** The documents that fit; read again as long as one is at work. */
export const documentsQuery = (id: string, { status, filename }: DatabaseSearch) =>
  infiniteQueryOptions({
    ...pagesOf(["rag", "documents", id, status, filename], (cursor) =>
      answer(
        api.GET("/rag/databases/{id}/documents", {
          params: { ...path(id), query: { status, filename, limit: 100, cursor } },
        }),
      ),
    ),
    refetchInterval: ({ state }) =>
      state.data?.pages.some((page) => page.data.some(isAtWork)) ? 1_000 : false,
  });

export const documentQuery = (id: string, document: string) =>
  queryOptions({
    queryKey: ["rag", "document", id, document],
    queryFn: () =>
      answer(api.GET("/rag/databases/{id}/documents/{document}", { params: { path: { id, document } } })),
    refetchInterval: ({ state }) => (state.data && isAtWork(state.data) ? 1_000 : false),
  });

export const chunksQuery = (id: string, document: string) =>
  pagesOf(["rag", "chunks", id, document], (cursor) =>
    answer(
      api.GET("/rag/databases/{id}/documents/{document}/chunks", {
        params: { path: { id, document }, query: { limit: 200, cursor } },
      }),
    ),
  );

export const searchQuery = (
  id: string,
  query: string,
  mode: Mode,
  top_k: number,
  filter: Record<string, unknown> | null,
) =>
  queryOptions({
    queryKey: ["rag", "search", id, query, mode, top_k, filter],
    queryFn: () =>
      answer(
        api.POST("/rag/databases/{id}/search", { params: path(id), body: { query, mode, top_k, filter } }),
      ),
    enabled: query !== "",
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });

export const createDatabase = (body: NewDatabase) => answer(api.POST("/rag/databases", { body }));
export const changeDatabase = (id: string, body: Partial<NewDatabase>) =>
  answer(api.PUT("/rag/databases/{id}", { params: path(id), body }));
export const deleteDatabase = (id: string, force: boolean) =>
  api.DELETE("/rag/databases/{id}", { params: { ...path(id), query: force ? { force } : {} } });
export const reindexDatabase = (id: string) =>
  answer(api.POST("/rag/databases/{id}/reindex", { params: path(id) }));
export const testDatabase = (id: string) =>
  answer(api.POST("/rag/databases/{id}/test", { params: path(id) }));
export const retryDocument = (id: string, document: string) =>
  answer(api.POST("/rag/databases/{id}/documents/{document}/retry", { params: { path: { id, document } } }));
export const deleteDocument = (id: string, document: string) =>
  api.DELETE("/rag/databases/{id}/documents/{document}", { params: { path: { id, document } } });
