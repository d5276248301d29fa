import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMay } from "../api/me";
import { type Listed, listed } from "../api/pages";
import type { Tool, ToolSummary } from "../api/types";
import { buttonClass } from "../kit/Button";
import { Icon } from "../kit/Icon";
import { Listing } from "../kit/Listing";
import { KindMark } from "../kit/Marks";
import { Empty } from "../kit/Messages";
import { NameCell } from "../kit/NameCell";
import { Body, Head } from "../kit/Page";
import type { Column } from "../kit/Table";
import { Time } from "../kit/Time";
import { DefinitionState } from "../parts/DefinitionState";
import { toolDefinitionsQuery, toolsQuery } from "./queries";

/** Whoever may see how tools are made sees more of each. */
type Row = ToolSummary & Partial<Tool>;

export function ToolsPage() {
  const mayWrite = useMay("tool.write");
  const maySeeAll = useMay("tool.write", "admin.read");
  const summaries = useQuery({ ...toolsQuery, enabled: !maySeeAll });
  const definitions = useQuery({ ...toolDefinitionsQuery, enabled: maySeeAll });
  const list = listed(maySeeAll ? definitions : summaries) as Listed<Row>;
  const isBare = list.rows.every((it) => it.source === "code");
  const verbs = mayWrite && (
    <>
      <Link to="/tools/import" className={buttonClass()}>
        <Icon name="download" /> Import OpenAPI
      </Link>
      <Link to="/tools/new" className={buttonClass("primary")}>
        <Icon name="plus" /> New tool
      </Link>
    </>
  );
  const none = {
    title: mayWrite ? "No tools of yours yet" : "No tool that you may use",
    text: "A tool is something that agents may do: call an API, run a script, fill in a text, search documents. It has a schema, so that what goes in is checked, and can be tried here by itself.",
    action: verbs && <span className="row wrap">{verbs}</span>,
  };
  return (
    <>
      <Head title="Tools" actions={!isBare && verbs} />
      <Body>
        {isBare && list.rows.length > 0 && (
          <Empty title={none.title} action={none.action}>
            {none.text}
          </Empty>
        )}
        <Listing
          noun="tool"
          label="Tools"
          list={list}
          columns={COLUMNS}
          rowKey={(it) => it.id}
          find={{
            hint: "Name or kind",
            of: (it) => ({ label: it.name, hint: `${it.display_name} ${it.kind ?? ""}` }),
          }}
          empty={none}
        />
      </Body>
    </>
  );
}

const EFFECTS = { read: "only reads", idempotent: "may be repeated", effect: "has effects" } as const;

const COLUMNS: Column<Row>[] = [
  {
    head: "Tool",
    narrow: "title",
    wide: "44%",
    cell: (it) => (
      <NameCell
        mark={<KindMark kind={it.kind === "rag" ? "retrieval" : it.kind === "agent" ? "agent" : "tool"} />}
        to="/tools/$name"
        params={{ name: it.name }}
        name={it.name}
        about={it.description}
      />
    ),
  },
  { head: "State", narrow: "end", cell: (it) => <DefinitionState it={it} /> },
  { head: "Kind", narrow: "line", cell: (it) => <span className="sub">{it.kind}</span> },
  { head: "Effect", cell: (it) => <span className="sub nowrap">{it.effect && EFFECTS[it.effect]}</span> },
  { head: "Version", end: true, cell: (it) => (it.version ? `v${it.version}` : "") },
  { head: "Changed", end: true, cell: (it) => it.updated_at && <Time at={it.updated_at} /> },
];
