import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { useMay } from "../api/me";
import { buttonClass } from "../kit/Button";
import { Tag } from "../kit/Marks";
import { Skeleton } from "../kit/Messages";
import { Body, Head, Tabs } from "../kit/Page";
import { DefinitionState, Problems } from "../parts/DefinitionState";
import { Meant, unread } from "../parts/Unread";
import { Verbs } from "../parts/Verbs";
import { Versions } from "../parts/Versions";
import { Bench } from "./Bench";
import { deleteTool, toolDefinitionQuery, toolHistory, toolQuery, toolsQuery, turnTool } from "./queries";

const ChangeTool = lazy(() => import("./ChangeTool"));

const route = getRouteApi("/tools/$name");
const CRUMBS = [{ label: "Tools", to: "/tools" }] as const;

/** One tool: to try, to change, and as it was. */
export function ToolPage() {
  const { name } = route.useParams();
  const { tab = "test", version } = route.useSearch();
  const navigate = route.useNavigate();
  const mayWrite = useMay("tool.write");
  const maySee = useMay("tool.write", "admin.read");
  const { data: tool, error, refetch } = useQuery(toolQuery(name));
  const { data: whole } = useQuery({ ...toolDefinitionQuery(name), enabled: maySee });
  if (!tool) {
    const link = (near: string) => (
      <Link to="/tools/$name" params={{ name: near }}>
        {near}
      </Link>
    );
    return unread({
      title: name,
      crumbs: CRUMBS,
      error,
      retry: refetch,
      meant: <Meant name={name} query={toolsQuery} link={link} />,
    });
  }
  const mayChange = mayWrite && whole?.source !== "code";
  return (
    <>
      <Head
        title={tool.name}
        crumbs={CRUMBS}
        beside={
          <>
            {whole && <Tag>{whole.kind}</Tag>}
            {tool.version && <Tag>v{tool.version}</Tag>}
            <DefinitionState it={whole ?? tool} />
          </>
        }
        lede={<p dir="auto">{tool.description}</p>}
        actions={
          <>
            <Link to="/runs" search={{ definition: tool.name, kind: "tool" }} className={buttonClass()}>
              Its runs
            </Link>
            {whole && mayWrite && (
              <>
                <Link to="/tools/new" search={{ from: tool.name }} className={buttonClass()}>
                  Copy
                </Link>
                <Verbs
                  noun="tool"
                  queryKey="tools"
                  it={whole}
                  turn={turnTool}
                  remove={deleteTool}
                  onRemoved={() => navigate({ to: "/tools" })}
                >
                  Agents that name it are told that it is not there. Its runs stay.
                </Verbs>
              </>
            )}
          </>
        }
      />
      {whole && <Problems problems={whole.problems} />}
      <Tabs
        label="Tool"
        current={tab}
        tabs={[
          { id: "test", label: "Test bench" },
          ...(whole ? ([{ id: "definition", label: "Definition" }] as const) : []),
          ...(whole?.version ? ([{ id: "versions", label: "Versions", count: whole.version }] as const) : []),
        ]}
      />
      {tab === "test" && <Bench key={`${tool.id} ${tool.version}`} tool={tool} />}
      {tab === "definition" && whole && (
        <Suspense
          fallback={
            <Body>
              <Skeleton />
            </Body>
          }
        >
          <ChangeTool key={whole.id} tool={whole} mayChange={mayChange} />
        </Suspense>
      )}
      {tab === "versions" && whole?.version && (
        <Versions current={whole} history={toolHistory} chosen={version} mayWrite={mayChange} />
      )}
    </>
  );
}
