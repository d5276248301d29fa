import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "../api/me";
import type { Agent, AgentSummary } from "../api/types";
import { buttonClass } from "../kit/Button";
import { Search } from "../kit/Field";
import { found } from "../kit/find";
import { plural } from "../kit/format";
import { Icon } from "../kit/Icon";
import { KindMark } from "../kit/Marks";
import { Empty, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Head, Toolbar } from "../kit/Page";
import { type Column, More, nameClass, Table } from "../kit/Table";
import { Time } from "../kit/Time";
import { DefinitionState } from "../parts/DefinitionState";
import { agentsQuery, definitionsQuery } from "./queries";

/** Whoever may see how agents are made sees more of each. */
type Row = AgentSummary & Partial<Agent>;

export function AgentsPage() {
  const mayWrite = useMay("agent.write");
  const maySeeAll = useMay("agent.write", "admin.read");
  const summaries = useQuery({ ...agentsQuery, enabled: !maySeeAll });
  const definitions = useQuery({ ...definitionsQuery, enabled: maySeeAll });
  const list = maySeeAll ? definitions : summaries;
  const [wanted, setWanted] = useState("");
  const all: Row[] = list.data ?? [];
  const shown = wanted
    ? found(
        wanted,
        all.map((it) => ({ label: it.display_name, hint: it.name, it })),
        500,
      ).map((it) => it.it)
    : all;
  const make = (
    <Link to="/agents/new" className={buttonClass("primary")}>
      <Icon name="plus" /> New agent
    </Link>
  );
  return (
    <>
      <Head title="Agents" actions={mayWrite && all.length > 0 && make} />
      <Body>
        {all.length > 8 && (
          <Toolbar>
            <Search label="Search agents" placeholder="Name" value={wanted} onChange={setWanted} />
          </Toolbar>
        )}
        {list.isPending && <Skeleton />}
        {list.isError && <ProblemNote error={list.error} retry={() => list.refetch()} />}
        {list.isSuccess && all.length === 0 && (
          <Empty title={mayWrite ? "No agents yet" : "No agent that you may use"} action={mayWrite && make}>
            An agent is a model with instructions, tools and documents. It answers under a name that programs
            call.
          </Empty>
        )}
        {all.length > 0 && (
          <div>
            <Table label="Agents" columns={COLUMNS} rows={shown} rowKey={(it) => it.id} />
            <More>
              {wanted ? `${plural(shown.length, "agent")} of ${all.length}` : plural(all.length, "agent")}
            </More>
          </div>
        )}
      </Body>
    </>
  );
}

const COLUMNS: Column<Row>[] = [
  {
    head: "Agent",
    narrow: "title",
    wide: "38%",
    cell: (it) => (
      <span className="row">
        <KindMark kind="agent" />
        <span className="cut">
          <Link className={nameClass ?? ""} to="/agents/$name" params={{ name: it.name }}>
            <bdi>{it.display_name}</bdi>
          </Link>{" "}
          <span className="dim" dir="auto">
            {it.description || it.name}
          </span>
        </span>
      </span>
    ),
  },
  { head: "State", narrow: "end", cell: (it) => <DefinitionState it={it} /> },
  {
    head: "Model",
    narrow: "line",
    cell: (it) => <span className="sub">{it.model ? [it.model].flat().join(", ") : ""}</span>,
  },
  {
    head: "Tools",
    end: true,
    cell: (it) =>
      it.tools ? it.tools.length + (it.agents?.length ?? 0) + (it.rag_databases?.length ?? 0) || "" : "",
  },
  { head: "Version", end: true, cell: (it) => `v${it.version}` },
  { head: "Changed", end: true, cell: (it) => <Time at={it.updated_at} /> },
];
