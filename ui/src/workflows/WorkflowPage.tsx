import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { useMay } from "../api/me";
import type { Workflow } from "../api/types";
import { buttonClass } from "../kit/Button";
import { Tag } from "../kit/Marks";
import { Skeleton } from "../kit/Messages";
import { Body, Head, Tabs } from "../kit/Page";
import { DefinitionState, Problems } from "../parts/DefinitionState";
import { Meant, unread } from "../parts/Unread";
import { Verbs } from "../parts/Verbs";
import {
  deleteWorkflow,
  turnWorkflow,
  workflowDefinitionQuery,
  workflowHistory,
  workflowQuery,
  workflowsQuery,
} from "./queries";
import { triggersOf } from "./trigger";

const ChangeWorkflow = lazy(() => import("./ChangeWorkflow"));
const ChangeTriggers = lazy(() => import("./ChangeTriggers"));
const Versions = lazy(() => import("../parts/Versions").then((it) => ({ default: it.Versions<Workflow> })));

const route = getRouteApi("/workflows/$workflowId");
const CRUMBS = [{ label: "Workflows", to: "/workflows" }] as const;

/** One workflow: as it is made, what begins it, and as it was. */
export function WorkflowPage() {
  const { workflowId: name } = route.useParams();
  const { tab: asked, version } = route.useSearch();
  const navigate = route.useNavigate();
  const mayWrite = useMay("workflow.write");
  const maySee = useMay("workflow.write", "admin.read");
  const definition = useQuery({ ...workflowDefinitionQuery(name), enabled: maySee });
  const summary = useQuery({ ...workflowQuery(name), enabled: !maySee });
  const { data: workflow, error, refetch } = maySee ? definition : summary;
  if (!workflow) {
    const link = (near: string) => (
      <Link to="/workflows/$workflowId" params={{ workflowId: near }}>
        {near}
      </Link>
    );
    return unread({
      title: name,
      crumbs: CRUMBS,
      error,
      retry: refetch,
      meant: <Meant name={name} query={workflowsQuery} link={link} />,
    });
  }
  const whole = definition.data;
  const mayChange = mayWrite && whole?.source !== "code";
  const tab = asked ?? "editor";
  return (
    <>
      <Head
        title={workflow.display_name}
        crumbs={CRUMBS}
        beside={
          <>
            <Tag>v{workflow.version}</Tag>
            <DefinitionState it={workflow} />
          </>
        }
        lede={workflow.description && <p dir="auto">{workflow.description}</p>}
        actions={
          <>
            <Link to="/runs" search={{ definition: workflow.name }} className={buttonClass()}>
              Its runs
            </Link>
            {whole && mayWrite && (
              <>
                <Link to="/workflows/new" search={{ from: workflow.name }} className={buttonClass()}>
                  Copy
                </Link>
                <Verbs
                  noun="workflow"
                  queryKey="workflows"
                  it={whole}
                  turn={turnWorkflow}
                  remove={deleteWorkflow}
                  onRemoved={() => navigate({ to: "/workflows" })}
                >
                  Whoever calls it is told that it is not there, and nothing begins it any more. Its runs, and
                  the versions that they ran, stay.
                </Verbs>
              </>
            )}
          </>
        }
      />
      {whole && <Problems problems={whole.problems} />}
      <Tabs
        label="Workflow"
        current={tab}
        tabs={[
          ...(whole ? ([{ id: "editor", label: "Definition" }] as const) : []),
          ...(whole
            ? ([
                { id: "triggers", label: "Triggers", count: triggersOf(whole).length },
                { id: "versions", label: "Versions", count: whole.version },
              ] as const)
            : []),
        ]}
      />
      <Suspense
        fallback={
          <Body>
            <Skeleton />
          </Body>
        }
      >
        {tab === "editor" && whole && <ChangeWorkflow workflow={whole} called={name} mayChange={mayChange} />}
        {tab === "triggers" && whole && (
          <ChangeTriggers workflow={whole} called={name} mayChange={mayChange} />
        )}
        {tab === "versions" && whole && (
          <Versions current={whole} history={workflowHistory} chosen={version} mayWrite={mayChange} />
        )}
      </Suspense>
    </>
  );
}
