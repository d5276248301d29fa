import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { useMay } from "../api/me";
import { count } from "../kit/format";
import { ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Head, Tabs } from "../kit/Page";
import { Connect } from "./Connect";
import { Consents } from "./Consents";
import { serverQuery, upstreamsQuery } from "./queries";
import { AddUpstream, Upstreams } from "./UpstreamList";

const Offers = lazy(() => import("./Offers"));
const Try = lazy(() => import("./Try"));

const route = getRouteApi("/mcp");

/** How others find what is here by the Model Context Protocol. */
export function McpPage() {
  const { tab = "connect" } = route.useSearch();
  const maySee = useMay("admin.read", "admin.write");
  const server = useQuery({ ...serverQuery, enabled: maySee });
  const it = server.data;
  const upstreams = useQuery({ ...upstreamsQuery, enabled: maySee });
  const mayAdd = useMay("admin.write") && upstreams.data !== undefined && upstreams.data.length > 0;
  const total = it && it.resources.tools + it.resources.agents + it.resources.rag_databases;
  return (
    <>
      <Head
        title="MCP"
        actions={tab === "upstreams" && mayAdd && <AddUpstream />}
        lede={
          it
            ? `${it.name} offers ${count(total ?? 0)} tools at ${it.endpoints.http}, in ${it.protocol_versions.length} revisions of the protocol; ${count(it.sessions.open)} sessions are open.`
            : "Programs that speak the Model Context Protocol find agents, tools and documents at /mcp."
        }
      />
      <Tabs
        label="MCP"
        current={tab}
        tabs={[
          { id: "connect", label: "Connect a client" },
          ...(maySee
            ? ([
                { id: "offers", label: "What is offered", count: total },
                { id: "upstreams", label: "Upstreams", count: upstreams.data?.length },
                { id: "try", label: "Try" },
              ] as const)
            : []),
          { id: "consents", label: "Your consents" },
        ]}
      />
      <Body>
        {tab === "connect" && <Connect name={it?.name ?? "agent-server"} />}
        {(tab === "offers" || tab === "try") && server.isPending && maySee && <Skeleton />}
        {server.isError && <ProblemNote error={server.error} retry={() => server.refetch()} />}
        <Suspense fallback={<Skeleton />}>
          {tab === "offers" && it && <Offers server={it} />}
          {tab === "try" && it && <Try server={it} />}
        </Suspense>
        {tab === "upstreams" && maySee && <Upstreams />}
        {tab === "consents" && <Consents />}
      </Body>
    </>
  );
}
