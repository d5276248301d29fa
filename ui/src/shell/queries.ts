import { queryOptions } from "@tanstack/react-query";
import { answer, api } from "../api/client";

/** So many databases are looked into for documents, the newest hundred of each. */
const DATABASES = 8;

/** The names of what there is to open, as far as one may see it; asked for when somebody looks for one. */
export const namesQuery = (may: { agents: boolean; tools: boolean; documents: boolean; runs: boolean }) =>
  queryOptions({
    queryKey: ["palette", may],
    queryFn: async () => {
      const many = { params: { query: { limit: 200 } } };
      const [agents, tools, databases, runs] = await Promise.all([
        may.agents ? answer(api.GET("/agents", many)).then((it) => it.data) : [],
        may.tools ? answer(api.GET("/tools", many)).then((it) => it.data) : [],
        may.documents ? answer(api.GET("/rag/databases", many)).then((it) => it.data) : [],
        may.runs ? answer(api.GET("/runs", { params: { query: { limit: 50 } } })).then((it) => it.data) : [],
      ]);
      const documents = await Promise.all(
        databases.slice(0, DATABASES).map(async ({ id, name }) => {
          const params = { path: { id }, query: { limit: 100 } };
          const { data } = await answer(api.GET("/rag/databases/{id}/documents", { params }));
          return data.map((it) => ({ id: it.id, filename: it.filename, database: name }));
        }),
      );
      return { agents, tools, databases, documents: documents.flat(), runs };
    },
    staleTime: 10_000,
  });
