import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense, useMemo } from "react";
import { useRunEvents } from "../api/events";
import { useMay } from "../api/me";
import type { RunEvent, Tree } from "../api/types";
import { Json } from "../kit/Code";
import { StatusMark, Tag } from "../kit/Marks";
import { Note, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Head, LiveDot, Panes, Tabs } from "../kit/Page";
import { Decisions, DecisionsBelow } from "../parts/Decisions";
import { Events } from "./Events";
import { waitsOf, waterfallOf } from "./layout";
import { isOver, treeQuery } from "./queries";
import { RunActions } from "./RunActions";
import { RunFacts, Sentence } from "./RunFacts";
import { SpanDetails } from "./SpanDetails";
import { Waterfall } from "./Waterfall";

// Most runs are of agents, which have no graph.
const WorkflowRun = lazy(() => import("./WorkflowRun"));

const route = getRouteApi("/runs/$id");
const HINT = "Choose a span to see its events, arguments and result.";
const CRUMBS = [{ label: "Runs", to: "/runs" }] as const;

/** One run: what it did, how long that took, and why it ended as it did. Live as long as it goes on. */
export function RunPage() {
  const { id } = route.useParams();
  const may = { decide: useMay("approval.decide"), define: useMay("workflow.write", "admin.read") };
  const tree = useQuery(treeQuery(id, may));
  const { events, connection } = useRunEvents(id);
  if (tree.isError && !tree.data) {
    return (
      <>
        <Head title="Run" crumbs={CRUMBS} />
        <Body>
          <ProblemNote error={tree.error} retry={() => tree.refetch()} />
        </Body>
      </>
    );
  }
  // Its sentence and its waterfall are made of both.
  const isRead = events.length > 0 || connection !== "open" || tree.data?.run.last_seq === 0;
  if (!tree.data || !isRead) {
    return (
      <>
        <Head title="Run" crumbs={CRUMBS} />
        <Body>
          <Skeleton />
        </Body>
      </>
    );
  }
  const isConnected = connection === "open" && !tree.isError;
  return <Shown key={id} tree={tree.data} events={events} isConnected={isConnected} />;
}

interface ShownProps {
  tree: Tree;
  events: readonly RunEvent[];
  isConnected: boolean;
}

function Shown({ tree, events, isConnected }: ShownProps) {
  const { run } = tree;
  const isWorkflow = run.kind === "workflow";
  const { tab = isWorkflow ? "graph" : "waterfall", span } = route.useSearch();
  const navigate = route.useNavigate();
  const mayDecide = useMay("approval.decide");
  const waits = useMemo(() => waitsOf(events), [events]);
  const layout = useMemo(() => waterfallOf(tree.spans, waits, Date.now()), [tree, waits]);
  const line = layout.lines.find((it) => it.id === span);
  const isLive = !isOver(run.status);
  const waiting = tree.spans.filter(
    (it) => it.kind === "run" && it.status === "suspended" && it.id !== run.id,
  );
  return (
    <>
      <Head
        title={run.definition.name}
        crumbs={CRUMBS}
        beside={
          <>
            <StatusMark status={run.status} />
            <Tag>v{run.definition.version}</Tag>
            {isLive && <LiveDot on={isConnected}>{isConnected ? "Live" : "Reconnecting"}</LiveDot>}
          </>
        }
        actions={<RunActions run={run} events={events} />}
        lede={<Sentence tree={tree} waits={waits} />}
      />
      {(run.error || run.status === "suspended" || waiting.length > 0) && (
        <div style={{ padding: "12px var(--gutter) 0" }} className="stack">
          {run.error && (
            <Note
              look={run.status === "canceled" ? "plain" : "bad"}
              title={`${kindWords(run.error.kind)}: ${run.error.message}`}
            >
              {run.error.retryable && "The same may succeed later."}
            </Note>
          )}
          {run.status === "suspended" && <Decisions run={run} mayDecide={mayDecide} />}
          <DecisionsBelow runs={waiting} mayDecide={mayDecide} />
        </div>
      )}
      <Tabs
        label="Run"
        current={tab}
        tabs={[
          ...(isWorkflow ? [{ id: "graph", label: "Graph" } as const] : []),
          { id: "waterfall", label: "Waterfall" },
          { id: "events", label: "Events", count: events.length },
          { id: "io", label: "Input and output" },
        ]}
      />
      {tab === "graph" && (
        <Suspense
          fallback={
            <Body>
              <Skeleton />
            </Body>
          }
        >
          <WorkflowRun tree={tree} events={events} />
        </Suspense>
      )}
      {tab === "waterfall" && (
        <Panes
          label="Details"
          aside={
            line ? (
              <SpanDetails line={line} run={run} events={events} />
            ) : (
              <RunFacts tree={tree} hint={HINT} />
            )
          }
        >
          <Waterfall
            layout={layout}
            chosen={span}
            onChoose={(it) => navigate({ search: (before) => ({ ...before, span: it }), replace: true })}
          />
          {tree.truncated && (
            <Note title="There is more than is shown">
              Only the first runs and spans of the tree are drawn.
            </Note>
          )}
        </Panes>
      )}
      {tab === "events" && (
        <Body>
          <Events events={events} />
        </Body>
      )}
      {tab === "io" && (
        <Body>
          <Json value={run.input} title="Input" />
          <Json value={run.output ?? null} title="Output" />
          {Object.keys(run.metadata).length > 0 && <Json value={run.metadata} title="Metadata" />}
        </Body>
      )}
    </>
  );
}

const kindWords = (kind: string) => kind.charAt(0).toUpperCase() + kind.slice(1).replace("_", " ");
