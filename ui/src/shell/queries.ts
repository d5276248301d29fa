import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { answer, api } from "../api/client";

/** The names of what there is to open, as far as one may see it; asked for when somebody looks for one. */
export const namesQuery = (may: Record<"agents" | "workflows" | "tools" | "documents" | "runs", boolean>) =>
  queryOptions({
    queryKey: ["palette", may],
    queryFn: async () => {
      const many = { params: { query: { limit: 200 } } };
      const [agents, workflows, tools, databases, runs] = await Promise.all([
        may.agents ? answer(api.GET("/agents", many)).then((it) => it.data) : [],
        may.workflows ? answer(api.GET("/workflows", many)).then((it) => it.data) : [],
        may.tools ? answer(api.GET("/tools", many)).then((it) => it.data) : [],
        may.documents ? answer(api.GET("/rag/databases", many)).then((it) => it.data) : [],
        may.runs ? answer(api.GET("/runs", { params: { query: { limit: 50 } } })).then((it) => it.data) : [],
      ]);
      return { agents, workflows, tools, databases, runs };
    },
    staleTime: 10_000,
  });

/** The newest documents with this in their names, of all databases that one may see. */
export const documentsQuery = (name: string) =>
  queryOptions({
    queryKey: ["palette", "documents", name],
    queryFn: () =>
      answer(api.GET("/rag/documents", { params: { query: { limit: 12, ...(name && { name }) } } })),
    staleTime: 10_000,
    placeholderData: keepPreviousData,
  });
