import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "../api/me";
import type { Tool, ToolSummary } from "../api/types";
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
import { toolDefinitionsQuery, toolsQuery } from "./queries";

/** Whoever may see how tools are made sees more of each. */
type Row = ToolSummary & Partial<Tool>;

export function ToolsPage() {
  const mayWrite = useMay("tool.write");
  const maySeeAll = useMay("tool.write", "admin.read");
  const summaries = useQuery({ ...toolsQuery, enabled: !maySeeAll });
  const definitions = useQuery({ ...toolDefinitionsQuery, enabled: maySeeAll });
  const list = maySeeAll ? definitions : summaries;
  const [wanted, setWanted] = useState("");
  const all = (list.data ?? []) as Row[];
  const items = all.map((it) => ({ label: it.name, hint: `${it.display_name} ${it.kind ?? ""}`, it }));
  const shown = wanted ? found(wanted, items, 500).map((it) => it.it) : all;
  const isBare = all.every((it) => it.source === "code");
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
  return (
    <>
      <Head title="Tools" actions={!isBare && verbs} />
      <Body>
        {all.length > 8 && (
          <Toolbar>
            <Search label="Search tools" placeholder="Name or kind" value={wanted} onChange={setWanted} />
          </Toolbar>
        )}
        {list.isPending && <Skeleton />}
        {list.isError && <ProblemNote error={list.error} retry={() => list.refetch()} />}
        {list.isSuccess && isBare && (
          <Empty
            title={mayWrite ? "No tools of yours yet" : "No tool that you may use"}
            action={mayWrite && <span className="row wrap">{verbs}</span>}
          >
            A tool is something that agents may do: call an API, run a script, fill in a text, search
            documents. It has a schema, so that what goes in is checked, and can be tried here by itself.
          </Empty>
        )}
        {all.length > 0 && (
          <div>
            <Table label="Tools" columns={COLUMNS} rows={shown} rowKey={(it) => it.id} />
            <More>
              {wanted ? `${plural(shown.length, "tool")} of ${all.length}` : plural(all.length, "tool")}
            </More>
          </div>
        )}
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
      <span className="row">
        <KindMark kind={it.kind === "rag" ? "retrieval" : it.kind === "agent" ? "agent" : "tool"} />
        <span className="cut">
          <Link className={nameClass ?? ""} to="/tools/$name" params={{ name: it.name }}>
            {it.name}
          </Link>{" "}
          <span className="dim" dir="auto">
            {it.description}
          </span>
        </span>
      </span>
    ),
  },
  { head: "State", narrow: "end", cell: (it) => <DefinitionState it={it} /> },
  { head: "Kind", narrow: "line", cell: (it) => <span className="sub">{it.kind}</span> },
  { head: "Effect", cell: (it) => <span className="sub nowrap">{it.effect && EFFECTS[it.effect]}</span> },
  { head: "Version", end: true, cell: (it) => (it.version ? `v${it.version}` : "") },
  { head: "Changed", end: true, cell: (it) => it.updated_at && <Time at={it.updated_at} /> },
];
