import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { useMay } from "../api/me";
import type { Workflow } from "../api/types";
import { buttonClass } from "../kit/Button";
import { Tag } from "../kit/Marks";
import { Skeleton } from "../kit/Messages";
import { Body, Head, Segmented, Tabs } from "../kit/Page";
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
import { triggersOf } from "./triggerDraft";
import s from "./Workflows.module.css";

const RunForm = lazy(() => import("./RunForm").then((it) => ({ default: it.RunForm })));
const Triggers = lazy(() => import("./Triggers").then((it) => ({ default: it.Triggers })));
const ChangeWorkflow = lazy(() => import("./ChangeWorkflow"));
const ChangeTriggers = lazy(() => import("./ChangeTriggers"));
const Versions = lazy(() => import("../parts/Versions").then((it) => ({ default: it.Versions<Workflow> })));

const route = getRouteApi("/workflows/$workflowId");
const CRUMBS = [{ label: "Workflows", to: "/workflows" }] as const;

/** One workflow: as it is made, to be run, what begins it, and as it was. */
export function WorkflowPage() {
  const { workflowId: name } = route.useParams();
  const { tab: asked, version, run } = route.useSearch();
  const navigate = route.useNavigate();
  const mayWrite = useMay("workflow.write");
  const maySee = useMay("workflow.write", "admin.read");
  const mayRead = useMay("workflow.read", "workflow.write");
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
  const tab = asked && (whole || asked === "run" || asked === "triggers") ? asked : whole ? "editor" : "run";
  const isTriggers = tab === "triggers" || tab === "triggers-edit";
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
        current={isTriggers ? "triggers" : tab}
        tabs={[
          ...(whole ? ([{ id: "editor", label: "Definition" }] as const) : []),
          { id: "run", label: "Run" },
          ...(mayRead
            ? ([{ id: "triggers", label: "Triggers", count: whole && triggersOf(whole).length }] as const)
            : []),
          ...(whole ? ([{ id: "versions", label: "Versions", count: whole.version }] as const) : []),
        ]}
      />
      {isTriggers && whole && (
        <div className={s.lookAt}>
          <Segmented
            label="Look at"
            value={tab}
            options={[
              ["triggers", "As they are"],
              ["triggers-edit", "In the definition"],
            ]}
            onChange={(next) => navigate({ search: (before) => ({ ...before, tab: next }) })}
          />
        </div>
      )}
      <Suspense
        fallback={
          <Body>
            <Skeleton />
          </Body>
        }
      >
        {tab === "editor" && whole && (
          <ChangeWorkflow key={whole.id} workflow={whole} called={name} mayChange={mayChange} />
        )}
        {tab === "run" && (
          <RunForm
            key={workflow.id}
            workflow={workflow}
            run={run}
            onRun={(id) => navigate({ search: (before) => ({ ...before, run: id }), replace: true })}
          />
        )}
        {tab === "triggers" && <Triggers key={workflow.id} workflow={workflow} mayWrite={mayChange} />}
        {tab === "triggers-edit" && whole && (
          <ChangeTriggers key={whole.id} workflow={whole} called={name} mayChange={mayChange} />
        )}
        {tab === "versions" && whole && (
          <Versions current={whole} history={workflowHistory} chosen={version} mayWrite={mayChange} />
        )}
      </Suspense>
    </>
  );
}
