import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { useMay } from "../api/me";
import type { Agent } from "../api/types";
import { buttonClass } from "../kit/Button";
import { Tag } from "../kit/Marks";
import { Skeleton } from "../kit/Messages";
import { Body, Head, Tabs } from "../kit/Page";
import { DefinitionState, Problems } from "../parts/DefinitionState";
import { Meant, unread } from "../parts/Unread";
import { Verbs } from "../parts/Verbs";
import { Playground } from "./Playground";
import { agentHistory, agentQuery, agentsQuery, definitionQuery, deleteAgent, turnAgent } from "./queries";

// Most who come only talk.
const ChangeAgent = lazy(() => import("./ChangeAgent"));
const Versions = lazy(() => import("../parts/Versions").then((it) => ({ default: it.Versions<Agent> })));

const route = getRouteApi("/agents/$name");
const CRUMBS = [{ label: "Agents", to: "/agents" }] as const;

/** One agent: to talk to, to change, and as it was. */
export function AgentPage() {
  const { name } = route.useParams();
  const { tab = "playground", version } = route.useSearch();
  const navigate = route.useNavigate();
  const maySee = useMay("agent.write", "admin.read");
  const mayWrite = useMay("agent.write");
  const definition = useQuery({ ...definitionQuery(name), enabled: maySee });
  const summary = useQuery({ ...agentQuery(name), enabled: !maySee });
  const { data: agent, error, refetch } = maySee ? definition : summary;
  if (!agent) {
    const link = (near: string) => (
      <Link to="/agents/$name" params={{ name: near }}>
        {near}
      </Link>
    );
    return unread({
      title: name,
      crumbs: CRUMBS,
      error,
      retry: refetch,
      meant: <Meant name={name} query={agentsQuery} link={link} />,
    });
  }
  const whole = definition.data;
  const mayChange = mayWrite && whole?.source !== "code";
  return (
    <>
      <Head
        title={agent.display_name}
        crumbs={CRUMBS}
        beside={
          <>
            <Tag>v{agent.version}</Tag>
            <DefinitionState it={agent} />
          </>
        }
        actions={
          <>
            <Link to="/runs" search={{ definition: agent.name }} className={buttonClass()}>
              Its runs
            </Link>
            {whole && mayWrite && (
              <>
                <Link to="/agents/new" search={{ from: agent.name }} className={buttonClass()}>
                  Copy
                </Link>
                <Verbs
                  noun="agent"
                  queryKey="agents"
                  it={whole}
                  turn={turnAgent}
                  remove={deleteAgent}
                  onRemoved={() => navigate({ to: "/agents" })}
                >
                  Whoever calls it is told that it is not there. Its runs, and the versions that they ran,
                  stay.
                </Verbs>
              </>
            )}
          </>
        }
      />
      {whole && <Problems problems={whole.problems} />}
      <Tabs
        label="Agent"
        current={tab}
        tabs={[
          { id: "playground", label: "Playground" },
          ...(whole
            ? ([
                { id: "definition", label: "Definition" },
                { id: "versions", label: "Versions", count: whole.version },
              ] as const)
            : []),
        ]}
      />
      {tab === "playground" && <Playground key={agent.id} name={agent.name} definition={whole ?? null} />}
      <Suspense
        fallback={
          <Body>
            <Skeleton />
          </Body>
        }
      >
        {tab === "definition" && whole && <ChangeAgent key={whole.id} agent={whole} mayChange={mayChange} />}
        {tab === "versions" && whole && (
          <Versions current={whole} history={agentHistory} chosen={version} mayWrite={mayChange} />
        )}
      </Suspense>
    </>
  );
}
