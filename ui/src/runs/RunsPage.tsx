import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import type { RunSummary } from "../api/types";
import { Button, buttonClass } from "../kit/Button";
import { cx } from "../kit/cx";
import { count, duration, money, plural, shortId, tokens } from "../kit/format";
import { KindMark, STATUSES, StatusMark, statusWord } from "../kit/Marks";
import { Empty, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Filter, Head, LiveDot, Toolbar } from "../kit/Page";
import { RowLink } from "../kit/RowLink";
import { type Column, More, Table } from "../kit/Table";
import { Time } from "../kit/Time";
import { TypedSearch } from "../kit/TypedSearch";
import { useKept } from "../kit/useKept";
import { latestQuery, runsQuery } from "./queries";
import s from "./Runs.module.css";
import { merged, tookMs } from "./rows";
import { RUN_KINDS, type RunsSearch, SINCE, type Since } from "./search";

const route = getRouteApi("/runs");

/** All runs that one may see, the newest first, kept up to date while they are looked at. */
export function RunsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const queries = useQueryClient();
  const list = useInfiniteQuery(runsQuery(search));
  const latest = useQuery(latestQuery(search));
  const narrow = (more: RunsSearch) => navigate({ search: { ...search, ...more }, replace: true });
  const { rows, fresh } = merged(list.data?.pages.flatMap((it) => it.data) ?? [], latest.data?.data ?? []);
  const [isDense, setDense] = useKept("dense-runs");
  const isNarrowed = Object.values(search).some(Boolean);
  const showNew = () => {
    scrollTo({ top: 0 });
    queries.resetQueries({ queryKey: runsQuery(search).queryKey, exact: true });
  };
  return (
    <>
      <Head
        title="Runs"
        actions={
          fresh > 0 ? (
            <Button icon="arrow-up" onClick={showNew}>
              {plural(fresh, "new run")}
            </Button>
          ) : (
            <LiveDot on={!latest.isError}>{latest.isError ? "Reconnecting" : "Live"}</LiveDot>
          )
        }
      />
      <Body>
        <Toolbar>
          <TypedSearch
            label="Words in what was asked or answered"
            placeholder="Words in it"
            value={search.text}
            onChange={(text) => narrow({ text })}
          />
          <TypedSearch
            label="Name of the agent, workflow or tool"
            placeholder="Agent, workflow or tool"
            value={search.definition}
            onChange={(definition) => narrow({ definition })}
          />
          <Filter
            label="Started"
            value={search.since}
            options={SINCE}
            onChange={(since) => narrow({ since: since as Since })}
          />
          <Filter
            label="Status"
            value={search.status}
            options={STATUSES.map((it) => [it, statusWord(it)] as const)}
            onChange={(status) => narrow({ status: status as RunSummary["status"] })}
          />
          <Filter
            label="Kind"
            value={search.kind}
            options={RUN_KINDS.map((it) => [it, it] as const)}
            onChange={(kind) => narrow({ kind: kind as "agent" })}
          />
          {search.user && (
            <Filter label="End user" value={search.user} options={[]} onChange={(user) => narrow({ user })} />
          )}
          {search.thread && (
            <Filter
              label="Thread"
              value={search.thread}
              options={[]}
              onChange={(thread) => narrow({ thread })}
            />
          )}
          {isNarrowed && (
            <Link to="/runs" className={buttonClass("quiet")}>
              Clear
            </Link>
          )}
          <span className="end hide-n">
            <Button look="quiet" aria-pressed={isDense} onClick={() => setDense(!isDense)}>
              {isDense ? "Higher rows" : "Lower rows"}
            </Button>
          </span>
        </Toolbar>
        {list.isPending && <Skeleton rows={10} />}
        {list.isError && <ProblemNote error={list.error} retry={() => list.refetch()} />}
        {list.isSuccess && rows.length === 0 && <Nothing isNarrowed={isNarrowed} />}
        {rows.length > 0 && (
          <div>
            <Table label="Runs" dense={isDense} columns={columns(rows)} rows={rows} rowKey={(it) => it.id} />
            <More>
              <span>{plural(rows.length, "run")} shown</span>
              {list.hasNextPage && (
                <Older load={() => list.fetchNextPage()} isBusy={list.isFetchingNextPage} />
              )}
            </More>
          </div>
        )}
      </Body>
    </>
  );
}

/** Reads on by itself when it comes into view. */
function Older({ load, isBusy }: { load: () => void; isBusy: boolean }) {
  const mark = useRef<HTMLSpanElement>(null);
  const loading = useRef(load);
  loading.current = isBusy ? () => {} : load;
  useEffect(() => {
    const seen = new IntersectionObserver(([it]) => it?.isIntersecting && loading.current(), {
      rootMargin: "400px",
    });
    if (mark.current) seen.observe(mark.current);
    return () => seen.disconnect();
  }, []);
  return (
    <span ref={mark}>
      <Button small busy={isBusy && "Reading…"} onClick={load}>
        Older
      </Button>
    </span>
  );
}

function Nothing({ isNarrowed }: { isNarrowed: boolean }) {
  if (isNarrowed) {
    return (
      <Empty
        title="No run matches these filters"
        action={
          <Link to="/runs" className={buttonClass()}>
            Show all runs
          </Link>
        }
      >
        Take a filter away, or look further back. Words are looked for in the 10,000 newest runs.
      </Empty>
    );
  }
  return (
    <Empty
      title="No runs yet"
      action={
        <Link to="/agents" className={buttonClass("primary")}>
          Choose an agent
        </Link>
      }
    >
      Each time an agent, a workflow or a tool runs, it leaves its whole story here: what the model read, what
      tools did, what it cost.
    </Empty>
  );
}

function columns(rows: readonly RunSummary[]): Column<RunSummary>[] {
  const now = Date.now();
  const longest = rows.reduce((most, it) => Math.max(most, tookMs(it, now) ?? 0), 1);
  return [
    { head: "Status", narrow: "title", cell: (it) => <StatusMark status={it.status} /> },
    {
      head: "Run",
      wide: "38%",
      narrow: "line",
      cell: (it) => (
        <span className="row">
          <KindMark kind={it.kind} />
          <span className="cut">
            <RowLink to="/runs/$id" params={{ id: it.id }}>
              {it.definition.name}
            </RowLink>{" "}
            <span className="dim">{it.error ? it.error.message : it.user}</span>
          </span>
        </span>
      ),
    },
    { head: "Id", cell: (it) => <span className="id">{shortId(it.id)}</span> },
    { head: "Started", end: true, narrow: "end", cell: (it) => <Time at={it.created_at} /> },
    {
      head: "Duration",
      cell: (it) => {
        const took = tookMs(it, now);
        if (took === null) return null;
        return (
          <span className={s.dur}>
            <i>
              <b
                className={cx(s[it.status])}
                style={{ "--w": `${(100 * Math.sqrt(took / longest)).toFixed(1)}%` } as object}
              />
            </i>
            <span>{duration(took)}</span>
          </span>
        );
      },
    },
    { head: "Tokens", end: true, cell: (it) => tokens(it.usage.input_tokens + it.usage.output_tokens) },
    {
      head: "Cost",
      end: true,
      cell: (it) =>
        it.usage.cost_usd === null || it.usage.cost_usd === undefined ? "" : money(it.usage.cost_usd),
    },
    { head: "Turns", end: true, cell: (it) => count(it.steps) },
    { head: "Caller", cell: (it) => <Caller run={it} /> },
  ];
}

const Caller = ({ run }: { run: RunSummary }) => (
  <span className="dim nowrap" title={run.subject}>
    {run.parent_run_id ? "another run" : shortId(run.subject.replace(/^\w+:/, ""))}
  </span>
);
