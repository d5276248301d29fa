import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useRunEvents } from "../api/events";
import { useMay } from "../api/me";
import type { RunEvent, Tree } from "../api/types";
import { Copy } from "../kit/Button";
import { Json } from "../kit/Code";
import { duration, money, shortId, tokens } from "../kit/format";
import { StatusMark, Tag } from "../kit/Marks";
import { Note, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Facts, Head, LiveDot, Panes, Tabs } from "../kit/Page";
import { Clock } from "../kit/Time";
import { Decisions } from "../parts/Decisions";
import { Events } from "./Events";
import { sharesOf, waitsOf, waterfallOf } from "./layout";
import { isOver, treeQuery } from "./queries";
import { RunActions } from "./RunActions";
import { tookMs } from "./rows";
import { SpanDetails } from "./SpanDetails";
import { Waterfall } from "./Waterfall";

const route = getRouteApi("/runs/$id");
const CRUMBS = [{ label: "Runs", to: "/runs" }] as const;

/** One run: what it did, how long that took, and why it ended as it did. Live as long as it goes on. */
export function RunPage() {
  const { id } = route.useParams();
  const tree = useQuery(treeQuery(id, useMay("approval.decide")));
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
  const { tab = "waterfall", span } = route.useSearch();
  const navigate = route.useNavigate();
  const mayDecide = useMay("approval.decide");
  const waits = useMemo(() => waitsOf(events), [events]);
  const layout = useMemo(() => waterfallOf(tree.spans, waits, Date.now()), [tree, waits]);
  const line = layout.lines.find((it) => it.id === span);
  const isLive = !isOver(run.status);
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
        actions={<RunActions run={run} lastSeq={events.at(-1)?.seq ?? run.last_seq} />}
        lede={<Sentence tree={tree} waits={waits} />}
      />
      {(run.error || run.status === "suspended") && (
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
        </div>
      )}
      <Tabs
        label="Run"
        current={tab}
        tabs={[
          { id: "waterfall", label: "Waterfall" },
          { id: "events", label: "Events", count: events.length },
          { id: "io", label: "Input and output" },
        ]}
      />
      {tab === "waterfall" && (
        <Panes
          label="Details"
          aside={line ? <SpanDetails line={line} run={run} events={events} /> : <RunFacts tree={tree} />}
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

/** What happened, said in a sentence with its figures. */
function Sentence({ tree, waits }: { tree: Tree; waits: ReturnType<typeof waitsOf> }) {
  const { run, usage } = tree;
  const now = Date.now();
  const took = tookMs(run, now);
  const shares = sharesOf(tree.spans, waits, now);
  const used = usage.input_tokens + usage.output_tokens;
  return (
    <p>
      {took === null
        ? "Waits in the queue."
        : `${isOver(run.status) ? "Took" : "Has taken"} ${duration(took)}${isOver(run.status) ? "" : " so far"}`}
      {shares.length > 0 && (
        <>
          {": "}
          {shares.map(([what, ms], at) => (
            <span key={what} className={at === 0 ? "strong" : undefined}>
              {at > 0 && ", "}
              {duration(ms)} {what}
            </span>
          ))}
        </>
      )}
      {took !== null && ". "}
      {used > 0 &&
        `${tokens(used)} tokens${usage.cost_usd === null || usage.cost_usd === undefined ? "" : ` for ${money(usage.cost_usd)}`}. `}
      Begun by <span title={run.subject}>{shortId(run.subject.replace(/^\w+:/, ""))}</span> at{" "}
      <Clock at={run.created_at} />.
    </p>
  );
}

function RunFacts({ tree }: { tree: Tree }) {
  const { run, usage } = tree;
  const link = (id: string) => (
    <Link to="/runs/$id" params={{ id }} className="id">
      {shortId(id)}
    </Link>
  );
  return (
    <>
      <Facts
        facts={[
          [
            "Id",
            <span key="id" className="row">
              <code className="small cut">{run.id}</code> <Copy text={run.id} what="id" />
            </span>,
          ],
          ["Turns", `${run.steps} of ${run.limits.max_steps}`],
          [
            "Tokens in",
            `${tokens(usage.input_tokens)}${usage.cached_tokens ? `, ${tokens(usage.cached_tokens)} from cache` : ""}`,
          ],
          [
            "Tokens out",
            `${tokens(usage.output_tokens)}${usage.reasoning_tokens ? `, ${tokens(usage.reasoning_tokens)} to think` : ""}`,
          ],
          [
            "Cost",
            usage.cost_usd === null || usage.cost_usd === undefined ? "unknown" : money(usage.cost_usd),
          ],
          ["Time limit", run.limits.timeout_ms ? duration(run.limits.timeout_ms) : null],
          [
            "Caller",
            <code key="s" className="small">
              {run.subject}
            </code>,
          ],
          ["Client", run.client_id],
          ["End user", run.user],
          [
            "Thread",
            run.thread_id && (
              <Link key="t" to="/runs" search={{ thread: run.thread_id }} className="id">
                {shortId(run.thread_id)}
              </Link>
            ),
          ],
          ["Began by", run.parent_run_id && link(run.parent_run_id)],
          ["Forked from", run.forked_from && link(run.forked_from)],
          ["Taken up", run.attempt > 1 ? `${run.attempt} times` : null],
        ]}
      />
      <p className="small dim">Choose a span to see its events, arguments and result.</p>
    </>
  );
}
