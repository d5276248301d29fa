import { queryOptions } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import { all } from "../api/pages";
import type { components } from "../api/schema";
import type { Run } from "../api/types";
import type { History } from "../parts/Versions";
import type { Offer } from "./offered";
import { CONTENT } from "./upstream";

type Schemas = components["schemas"];
export type McpServer = components["schemas"]["McpServer"];
export type McpServerChange = components["schemas"]["McpServerChange"];

const path = (id: string) => ({ path: { id } });

/** How the server shows itself by MCP, and how many use it. */
export const serverQuery = queryOptions({
  queryKey: ["mcp", "server"],
  queryFn: () => answer(api.GET("/mcp/server")),
  refetchInterval: 15_000,
});

export const changeServer = (body: McpServerChange) => answer(api.POST("/mcp/server", { body }));

/** What there is to offer, as far as one may see it. */
export const thereQuery = (may: Record<"tools" | "agents" | "workflows" | "databases", boolean>) =>
  queryOptions({
    queryKey: ["mcp", "there", may],
    queryFn: async () => {
      const query = (cursor: string | undefined) => ({ params: { query: { limit: 200, cursor } } });
      const [tools, agents, workflows, databases] = await Promise.all([
        may.tools ? all((cursor) => answer(api.GET("/tools", query(cursor)))) : [],
        may.agents ? all((cursor) => answer(api.GET("/agents", query(cursor)))) : [],
        may.workflows ? all((cursor) => answer(api.GET("/workflows", query(cursor)))) : [],
        may.databases ? all((cursor) => answer(api.GET("/rag/databases", query(cursor)))) : [],
      ]);
      return { tools, agents, workflows, databases };
    },
  });

/** The schema of what goes into an offer. */
export const schemaQuery = (offer: Offer) =>
  queryOptions({
    queryKey: ["mcp", "schema", offer.name, offer.is],
    queryFn: async (): Promise<Record<string, unknown>> => {
      if (offer.is === "tool") {
        const tool = await answer(api.GET("/tools/{id}", { params: { path: { id: offer.of } } }));
        return tool.input_schema;
      }
      if (offer.is === "workflow") {
        const workflow = await answer(api.GET("/workflows/{id}", { params: { path: { id: offer.of } } }));
        return workflow.input_schema ?? {};
      }
      const [name, description] =
        offer.is === "agent" ? ["input", "What it is asked"] : ["query", "What is looked for"];
      const text = { type: "string", description, maxLength: 4000 };
      return { type: "object", required: [name], properties: { [name]: text } };
    },
  });

/** What came of a try: a run to be watched, or what a search found. */
export type Tried = { run: string } | { found: unknown };

/** Does what a call of the offer by MCP does, by the API: `/mcp` takes tokens of its own and no session. */
export async function tryOffer(offer: Offer, input: Record<string, unknown>): Promise<Tried> {
  const params = { path: { id: offer.of } };
  if (offer.is === "database") {
    const body = { query: String(input.query ?? "") };
    return { found: await answer(api.POST("/rag/databases/{id}/search", { params, body: body as never })) };
  }
  const body = { ...(offer.is === "agent" ? { input: input.input } : { input }), background: true };
  const asked = { params, body: body as never };
  const begun = {
    agent: () => api.POST("/agents/{id}/execute", asked),
    workflow: () => api.POST("/workflows/{id}/execute", asked),
    tool: () => api.POST("/tools/{id}/execute", asked),
  }[offer.is];
  const run = await answer<Run>(begun());
  return { run: run.id };
}

export type Consent = Schemas["McpConsent"];

/** The servers of others that may be used in the name of whoever is signed in. */
export const consentsQuery = queryOptions({
  queryKey: ["mcp", "consents"],
  queryFn: () => answer(api.GET("/mcp/consents")).then((it) => it.data),
});

export const takeBack = (upstream: string) =>
  api.DELETE("/mcp/consents/{upstream}", { params: { path: { upstream } } });

export type Upstream = Schemas["McpUpstreamShown"];
export type UpstreamTool = Schemas["McpUpstreamTool"];
export type NewUpstream = Schemas["NewUpstream"];

/** The servers of others whose tools our agents call, with how each of them is. */
export const upstreamsQuery = queryOptions({
  queryKey: ["mcp", "upstreams"],
  queryFn: () =>
    all((cursor) => answer(api.GET("/mcp/upstreams", { params: { query: { limit: 200, cursor } } }))),
  refetchInterval: 15_000,
});

const readUpstream = (id: string, version?: number) =>
  answer(
    api.GET("/mcp/upstreams/{id}", {
      params: { ...path(id), query: version === undefined ? {} : { version } },
    }),
  );

export const upstreamQuery = (id: string) =>
  queryOptions({
    queryKey: ["mcp", "upstream", id],
    queryFn: () => readUpstream(id),
    refetchInterval: 15_000,
  });

export const upstreamHistory: History<Upstream> = {
  key: "mcp",
  list: (id) =>
    answer(api.GET("/mcp/upstreams/{id}/versions", { params: { ...path(id), query: { limit: 100 } } })),
  read: readUpstream,
  restore: (id, version) =>
    answer(api.POST("/mcp/upstreams/{id}/versions/{version}/restore", { params: { path: { id, version } } })),
  members: CONTENT,
};

export const createUpstream = (body: NewUpstream) => answer(api.POST("/mcp/upstreams", { body }));

/** Changes an upstream, unless somebody else did since `version`; without one, whatever others did. */
export const changeUpstream = (id: string, version: number | null, body: Partial<NewUpstream>) =>
  answer(
    api.PUT("/mcp/upstreams/{id}", {
      params: { ...path(id), ...(version !== null && { header: { "If-Match": `"${version}"` } }) },
      body,
    }),
  );

export const turnUpstream = (id: string, is_active: boolean) => changeUpstream(id, null, { is_active });
export const refreshUpstream = (id: string) =>
  answer(api.POST("/mcp/upstreams/{id}/refresh", { params: path(id) }));
/** Accepts what is shown of an upstream, and nothing that it has said since. */
export const acceptUpstream = ({ id, offered_hash }: Upstream) =>
  answer(api.POST("/mcp/upstreams/{id}/accept", { params: path(id), body: { offered_hash } }));
export const deleteUpstream = (id: string, force: boolean) =>
  api.DELETE("/mcp/upstreams/{id}", { params: { ...path(id), query: force ? { force } : {} } });

/** What a tool of an upstream said of itself when it was taken in. */
export const pinnedQuery = (tool: string) =>
  queryOptions({
    queryKey: ["tools", "interface", tool],
    queryFn: () => answer(api.GET("/tools/{id}", { params: path(tool) })),
  });
