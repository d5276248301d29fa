import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useMay } from "../api/me";
import type { Stats } from "../api/types";
import { count, money, tokens } from "../kit/format";
import { KindMark } from "../kit/Marks";
import { Segmented } from "../kit/Page";
import { RowLink } from "../kit/RowLink";
import { type Column, Table } from "../kit/Table";
import { clientNames, definitionKind } from "./figures";
import s from "./Overview.module.css";
import { clientNamesQuery } from "./queries";
import { SPANS, type SpanName } from "./search";

const route = getRouteApi("/");

type Definition = Stats["definitions"][number];
type Client = Stats["clients"][number];
type Share = Omit<Client, "client_id">;

/** Which agents, or which clients, used what: those that cost most first. */
export function Shares({ stats, span }: { stats: Stats; span: SpanName }) {
  const { by = "agents" } = route.useSearch();
  const navigate = route.useNavigate();
  const names = useQuery({ ...clientNamesQuery, enabled: useMay("client.read") && by === "clients" });
  if (stats.definitions.length === 0) return null;
  const since = span === "30d" ? undefined : span;
  return (
    <section className={s.sec} aria-label={`Who used what in ${SPANS[span].words}`}>
      <div className={s.sechead}>
        <h2>Who used what</h2>
        <span className="end">
          <Segmented
            label="By"
            value={by}
            options={[
              ["agents", "Agents, workflows and tools"],
              ["clients", "Clients"],
            ]}
            onChange={(it) =>
              navigate({
                search: (before) => ({ ...before, by: it === "agents" ? undefined : it }),
                replace: true,
              })
            }
          />
        </span>
      </div>
      {by === "agents" ? (
        <Table
          label="By agent, workflow and tool"
          columns={[definitionColumn(since), ...COLUMNS]}
          rows={stats.definitions}
          rowKey={(it) => `${it.kind}/${it.name}`}
        />
      ) : (
        <Table
          label="By client"
          columns={[clientColumn(clientNames(names.data ?? [])), ...COLUMNS]}
          rows={stats.clients}
          rowKey={(it) => it.client_id}
        />
      )}
    </section>
  );
}

const definitionColumn = (since: Exclude<SpanName, "30d"> | undefined): Column<Definition> => ({
  head: "Agent, workflow or tool",
  narrow: "title",
  wide: "40%",
  cell: (it) =>
    it.name === "" ? (
      <span className="dim">others</span>
    ) : (
      <span className="row">
        <KindMark kind={definitionKind(it.kind)} />
        <RowLink to="/runs" search={{ definition: it.name, since }}>
          {it.name}
        </RowLink>
      </span>
    ),
});

const clientColumn = (nameOf: (id: string) => { name: string; isListed: boolean }): Column<Client> => ({
  head: "Client",
  narrow: "title",
  wide: "40%",
  cell: (it) => {
    const { name, isListed } = nameOf(it.client_id);
    if (!isListed) return <span className="strong">{name}</span>;
    return (
      <RowLink to="/clients/$id" params={{ id: it.client_id }}>
        <bdi>{name}</bdi>
      </RowLink>
    );
  },
});

const COLUMNS: Column<Share>[] = [
  { head: "Runs", end: true, narrow: "end", cell: (it) => count(it.runs) },
  {
    head: "Failed",
    end: true,
    cell: (it) => (it.failed > 0 ? <span className="badtxt">{count(it.failed)}</span> : ""),
  },
  { head: "Tokens", end: true, narrow: "line", cell: (it) => tokens(it.input_tokens + it.output_tokens) },
  { head: "Cost", end: true, cell: (it) => (it.unpriced_runs < it.runs ? money(it.cost_usd) : "not known") },
];
