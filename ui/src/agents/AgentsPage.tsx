import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMay } from "../api/me";
import { isEmpty, listed } from "../api/pages";
import type { Agent, AgentSummary } from "../api/types";
import { buttonClass } from "../kit/Button";
import { Icon } from "../kit/Icon";
import { Listing } from "../kit/Listing";
import { KindMark } from "../kit/Marks";
import { NameCell } from "../kit/NameCell";
import { Body, Head } from "../kit/Page";
import type { Column } from "../kit/Table";
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
  const list = listed<Row>(maySeeAll ? definitions : summaries);
  const make = mayWrite && (
    <Link to="/agents/new" className={buttonClass("primary")}>
      <Icon name="plus" /> New agent
    </Link>
  );
  return (
    <>
      <Head title="Agents" actions={!isEmpty(list) && make} />
      <Body>
        <Listing
          noun="agent"
          label="Agents"
          list={list}
          columns={COLUMNS}
          rowKey={(it) => it.id}
          find={{ hint: "Name", of: (it) => ({ label: it.display_name, hint: it.name }) }}
          empty={{
            title: mayWrite ? "No agents yet" : "No agent that you may use",
            text: "An agent is a model with instructions, tools and documents. It answers under a name that programs call.",
            action: make,
          }}
        />
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
      <NameCell
        mark={<KindMark kind="agent" />}
        to="/agents/$name"
        params={{ name: it.name }}
        name={it.display_name}
        about={it.description || it.name}
      />
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
