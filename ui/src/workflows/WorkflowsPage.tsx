import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMay } from "../api/me";
import { isEmpty, listed } from "../api/pages";
import type { Workflow, WorkflowSummary } from "../api/types";
import { allOf, entriesOf } from "../graph/entry";
import { buttonClass } from "../kit/Button";
import { Icon } from "../kit/Icon";
import { Listing } from "../kit/Listing";
import { KindMark } from "../kit/Marks";
import { NameCell } from "../kit/NameCell";
import { Body, Head } from "../kit/Page";
import type { Column } from "../kit/Table";
import { Time } from "../kit/Time";
import { DefinitionState } from "../parts/DefinitionState";
import { workflowDefinitionsQuery, workflowsQuery } from "./queries";
import { triggersOf, triggerWords } from "./triggerDraft";

/** Whoever may see how workflows are made sees more of each. */
type Row = WorkflowSummary & Partial<Workflow>;

export function WorkflowsPage() {
  const mayWrite = useMay("workflow.write");
  const maySeeAll = useMay("workflow.write", "admin.read");
  const summaries = useQuery({ ...workflowsQuery, enabled: !maySeeAll });
  const definitions = useQuery({ ...workflowDefinitionsQuery, enabled: maySeeAll });
  const list = listed<Row>(maySeeAll ? definitions : summaries);
  const make = mayWrite && (
    <Link to="/workflows/new" className={buttonClass("primary")}>
      <Icon name="plus" /> New workflow
    </Link>
  );
  return (
    <>
      <Head title="Workflows" actions={!isEmpty(list) && make} />
      <Body>
        <Listing
          noun="workflow"
          label="Workflows"
          list={list}
          columns={COLUMNS}
          rowKey={(it) => it.id}
          find={{ hint: "Name", of: (it) => ({ label: it.display_name, hint: it.name }) }}
          empty={{
            title: mayWrite ? "No workflows yet" : "No workflow that you may use",
            text: "A workflow is agents, tools and scripts in an order that is written down. It waits for people, for events and for days, and goes on after any crash where it was.",
            action: make,
          }}
        />
      </Body>
    </>
  );
}

const COLUMNS: Column<Row>[] = [
  {
    head: "Workflow",
    narrow: "title",
    wide: "42%",
    cell: (it) => (
      <NameCell
        mark={<KindMark kind="workflow" />}
        to="/workflows/$workflowId"
        params={{ workflowId: it.name }}
        name={it.display_name}
        about={it.description || it.name}
      />
    ),
  },
  { head: "State", narrow: "end", cell: (it) => <DefinitionState it={it} /> },
  {
    head: "Begun by",
    narrow: "line",
    cell: (it) => <span className="sub">{triggersOf(it).map(triggerWords).join(", ")}</span>,
  },
  { head: "Entries", end: true, cell: (it) => (it.steps ? allOf(entriesOf(it.steps)).length : "") },
  { head: "Version", end: true, cell: (it) => `v${it.version}` },
  { head: "Changed", end: true, cell: (it) => <Time at={it.updated_at} /> },
];
