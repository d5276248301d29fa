import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useMemo, useRef } from "react";
import { type Connection, useRunEvents } from "../api/events";
import { useMay } from "../api/me";
import { isOver } from "../api/runs";
import type { RunEvent, Tree } from "../api/types";
import { Json } from "../kit/Code";
import { StatusMark, Tag } from "../kit/Marks";
import { Note, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Head, LiveDot, Panes, Tabs } from "../kit/Page";
import { Decisions, DecisionsBelow } from "../parts/Decisions";
import { isAsking } from "../parts/events";
import { Events } from "./Events";
import { type Wait, waitsOf, waterfallOf } from "./layout";
import { suspendedBelow, treeQuery } from "./queries";
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
  const shown = connection === "open" && tree.isError ? "reconnecting" : connection;
  return <Shown key={id} tree={tree.data} events={events} connection={shown} />;
}

interface ShownProps {
  tree: Tree;
  events: readonly RunEvent[];
  connection: Connection;
}

const CONNECTION: Record<Connection, string> = { open: "Live", reconnecting: "Reconnecting", ended: "Ended" };

function Shown({ tree, events, connection }: ShownProps) {
  const { run } = tree;
  const isWorkflow = run.kind === "workflow";
  const { tab = isWorkflow ? "graph" : "waterfall" } = route.useSearch();
  const mayDecide = useMay("approval.decide");
  const waits = useWaits(events);
  const isLive = !isOver(run.status);
  const isAsked = isLive && (run.status === "suspended" || isAsking(events));
  const below = suspendedBelow(tree);
  return (
    <>
      <Head
        title={run.definition.name}
        crumbs={CRUMBS}
        beside={
          <>
            <StatusMark status={run.status} />
            <Tag>v{run.definition.version}</Tag>
            {isLive && <LiveDot on={connection === "open"}>{CONNECTION[connection]}</LiveDot>}
          </>
        }
        actions={<RunActions run={run} events={events} />}
        lede={<Sentence tree={tree} waits={waits} />}
      />
      {(run.error || isAsked || below.length > 0) && (
        <div style={{ padding: "12px var(--gutter) 0" }} className="stack">
          {run.error && (
            <Note
              look={run.status === "canceled" ? "plain" : "bad"}
              title={`${kindWords(run.error.kind)}: ${run.error.message}`}
            >
              {run.error.retryable && "The same may succeed later."}
            </Note>
          )}
          {isAsked && <Decisions run={run} mayDecide={mayDecide} />}
          <DecisionsBelow runs={below} mayDecide={mayDecide} />
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
      {tab === "waterfall" && <Spans tree={tree} waits={waits} events={events} />}
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

function Spans({ tree, waits, events }: { tree: Tree; waits: readonly Wait[]; events: readonly RunEvent[] }) {
  const { span } = route.useSearch();
  const navigate = route.useNavigate();
  const layout = useMemo(() => waterfallOf(tree.spans, waits, Date.now()), [tree, waits]);
  const line = layout.lines.find((it) => it.id === span);
  const choose = useCallback(
    (id: string | undefined) => navigate({ search: (before) => ({ ...before, span: id }), replace: true }),
    [navigate],
  );
  return (
    <Panes
      label="Details"
      aside={
        line ? (
          <SpanDetails line={line} run={tree.run} events={events} />
        ) : (
          <RunFacts tree={tree} hint={HINT} />
        )
      }
    >
      <Waterfall layout={layout} chosen={span} onChoose={choose} />
      {tree.truncated && (
        <Note title="There is more than is shown">Only the first runs and spans of the tree are drawn.</Note>
      )}
    </Panes>
  );
}

/** When the run waited: the same as long as it is, so that nothing else is drawn anew for each event. */
function useWaits(events: readonly RunEvent[]): readonly Wait[] {
  const kept = useRef<readonly Wait[]>([]);
  const now = useMemo(() => waitsOf(events), [events]);
  const isSame = now.length === kept.current.length && now.at(-1)?.to === kept.current.at(-1)?.to;
  if (!isSame) kept.current = now;
  return kept.current;
}

const kindWords = (kind: string) => kind.charAt(0).toUpperCase() + kind.slice(1).replace("_", " ");
