import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { RunSummary } from "../api/types";
import { buttonClass } from "../kit/Button";
import { StatusMark } from "../kit/Marks";
import { Empty, ProblemNote, Skeleton } from "../kit/Messages";
import { RowLink } from "../kit/RowLink";
import { type Column, Table } from "../kit/Table";
import { Time } from "../kit/Time";
import s from "./Overview.module.css";
import { lastRunsQuery } from "./queries";

/** The last runs of somebody who may not see those of all. */
export function LastRuns() {
  const list = useQuery(lastRunsQuery);
  const rows = list.data?.data ?? [];
  return (
    <section className={s.sec}>
      <div className={s.sechead}>
        <h2>Your last runs</h2>
        <Link className="end" to="/runs">
          All of them
        </Link>
      </div>
      {list.isPending && <Skeleton />}
      {list.isError && <ProblemNote error={list.error} retry={() => list.refetch()} />}
      {list.isSuccess && rows.length === 0 && (
        <Empty
          title="You have begun no run yet"
          action={
            <Link to="/agents" className={buttonClass("primary")}>
              See the agents
            </Link>
          }
        >
          What agents and workflows do for you stands here. Figures of the whole server are for those who hold{" "}
          <code>admin.read</code>.
        </Empty>
      )}
      {rows.length > 0 && (
        <Table label="Your last runs" columns={COLUMNS} rows={rows} rowKey={(it) => it.id} />
      )}
    </section>
  );
}

const COLUMNS: Column<RunSummary>[] = [
  { head: "Status", narrow: "end", cell: (it) => <StatusMark status={it.status} /> },
  {
    head: "Run",
    wide: "60%",
    narrow: "title",
    cell: (it) => (
      <span className="cut">
        <RowLink to="/runs/$id" params={{ id: it.id }}>
          {it.definition.name}
        </RowLink>{" "}
        <span className="dim">{it.error?.message}</span>
      </span>
    ),
  },
  { head: "Started", end: true, narrow: "line", cell: (it) => <Time at={it.created_at} /> },
];
