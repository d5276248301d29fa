import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMay } from "../api/me";
import { listed } from "../api/pages";
import { buttonClass } from "../kit/Button";
import { Icon } from "../kit/Icon";
import { Listing } from "../kit/Listing";
import { Tag } from "../kit/Marks";
import { NameCell } from "../kit/NameCell";
import type { Column } from "../kit/Table";
import { Time } from "../kit/Time";
import { type Upstream, upstreamsQuery } from "./queries";
import { stateOf, takenWords } from "./upstream";

/** Servers of others whose tools our agents call, and how each of them is. */
export function Upstreams() {
  const mayWrite = useMay("admin.write");
  const list = useQuery(upstreamsQuery);
  return (
    <Listing
      noun="upstream"
      label="Upstreams"
      list={listed(list)}
      columns={COLUMNS}
      rowKey={(it) => it.id}
      find={{ hint: "Name or URL", of: (it) => ({ label: it.name, hint: `${it.display_name} ${it.url}` }) }}
      empty={{
        title: "No upstreams yet",
        text: "An upstream is an MCP server of somebody else. Its tools become tools here, called name__tool, as they describe themselves when you add it; what it says of them later is used when you accept it.",
        action: mayWrite && <AddUpstream />,
      }}
    />
  );
}

export const AddUpstream = () => (
  <Link to="/mcp/upstreams/new" className={buttonClass("primary")}>
    <Icon name="plus" /> Add upstream
  </Link>
);

export function Health({ it }: { it: Pick<Upstream, "is_active" | "state"> }) {
  const [look, word] = stateOf(it);
  return <Tag look={look}>{word}</Tag>;
}

const COLUMNS: Column<Upstream>[] = [
  {
    head: "Upstream",
    narrow: "title",
    wide: "44%",
    cell: (it) => (
      <NameCell
        mark={<Icon name="plug" />}
        to="/mcp/upstreams/$name"
        params={{ name: it.name }}
        name={it.display_name}
        about={it.last_error ?? it.url}
      />
    ),
  },
  { head: "State", narrow: "end", cell: (it) => <Health it={it} /> },
  { head: "Taken in", narrow: "line", cell: (it) => <span className="sub">{takenWords(it.tools)}</span> },
  { head: "Looked at", end: true, cell: (it) => it.checked_at && <Time at={it.checked_at} /> },
  { head: "Version", end: true, cell: (it) => `v${it.version}` },
  { head: "Changed", end: true, cell: (it) => <Time at={it.updated_at} /> },
];
