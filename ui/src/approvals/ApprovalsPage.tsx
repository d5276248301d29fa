import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { decidedQuery, pendingQuery } from "../api/approvals";
import { useMay } from "../api/me";
import { Button } from "../kit/Button";
import { Empty, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Head, Tabs } from "../kit/Page";
import { DecisionCard } from "../parts/Decisions";
import s from "./Approvals.module.css";
import { APPROVAL_TABS, type ApprovalsSearch } from "./search";

const route = getRouteApi("/approvals");
const WORDS = {
  pending: "Waiting",
  approved: "Approved",
  rejected: "Denied",
  expired: "Expired",
  canceled: "Canceled",
};

/** What people are asked to decide; `a` and `d` decide the first. */
export function ApprovalsPage() {
  const { tab = "pending" } = route.useSearch();
  const pending = useQuery(pendingQuery);
  return (
    <>
      <Head
        title="Approvals"
        lede="Tools whose calls a person must consent to, and workflows that ask one, ask here. Decisions are recorded with your name."
      />
      <Tabs
        label="Approvals"
        current={tab}
        tabs={APPROVAL_TABS.map((id) => ({
          id,
          label: WORDS[id],
          count: id === "pending" ? pending.data?.data.length : undefined,
        }))}
      />
      <Body>{tab === "pending" ? <Waiting /> : <Decided key={tab} status={tab} />}</Body>
    </>
  );
}

function Waiting() {
  const { data, isPending, isError, error, refetch } = useQuery(pendingQuery);
  const mayDecide = useMay("approval.decide");
  if (isPending) return <Skeleton rows={3} />;
  if (isError) return <ProblemNote error={error} retry={refetch} />;
  if (data.data.length === 0) {
    return (
      <Empty title="Nothing waits for a decision">
        A tool with <code>approval: always</code>, or one whose rule holds, stops its run and asks here before
        it is called; so does an entry <code>approval</code> of a workflow.
      </Empty>
    );
  }
  return (
    <div className={s.inbox}>
      {data.data.map((it, at) => (
        <DecisionCard key={it.id} approval={it} mayDecide={mayDecide} isCurrent={at === 0} showRun />
      ))}
    </div>
  );
}

function Decided({ status }: { status: Exclude<NonNullable<ApprovalsSearch["tab"]>, "pending"> }) {
  const list = useInfiniteQuery(decidedQuery(status));
  if (list.isPending) return <Skeleton rows={3} />;
  if (list.isError) return <ProblemNote error={list.error} retry={() => list.refetch()} />;
  const all = list.data.pages.flatMap((it) => it.data);
  if (all.length === 0)
    return (
      <Empty title={`None was ${WORDS[status].toLowerCase()}`}>
        Decisions stay here as long as their runs are kept.
      </Empty>
    );
  return (
    <>
      <div className={s.inbox}>
        {all.map((it) => (
          <DecisionCard key={it.id} approval={it} mayDecide={false} showRun />
        ))}
      </div>
      {list.hasNextPage && (
        <p>
          <Button busy={list.isFetchingNextPage && "Reading…"} onClick={() => list.fetchNextPage()}>
            Older
          </Button>
        </p>
      )}
    </>
  );
}
