import { useQueries, useQuery } from "@tanstack/react-query";
import { useMay } from "../api/me";
import { Button } from "../kit/Button";
import { plural } from "../kit/format";
import { KindMark, Tag } from "../kit/Marks";
import { Empty, Note, ProblemNote, Skeleton } from "../kit/Messages";
import { NameCell } from "../kit/NameCell";
import { type Column, Table } from "../kit/Table";
import { Differences } from "../parts/Differences";
import { useAct } from "../parts/useAct";
import s from "./Mcp.module.css";
import { acceptUpstream, pinnedQuery, type Upstream, type UpstreamTool } from "./queries";
import { toolState } from "./upstream";

/** What was taken in of an upstream, and first what it says otherwise since. */
export function UpstreamTools({ it }: { it: Upstream }) {
  const changed = it.tools.filter((tool) => tool.changed);
  // What was said before is there when it is compared: it stands above all the rest.
  const before = useQueries({ queries: changed.filter(isKept).map((tool) => pinnedQuery(tool.tool ?? "")) });
  if (before.some((tool) => tool.isLoading)) return <Skeleton />;
  if (it.tools.length === 0) {
    return (
      <Empty title="No tool was seen">
        {it.checked_at
          ? "Either it has none, or none that the names in its definition allow."
          : "It was not looked at yet."}
      </Empty>
    );
  }
  return (
    <>
      {changed.length > 0 && <Changes it={it} changed={changed} />}
      <Table label="Tools of it" columns={COLUMNS} rows={it.tools} rowKey={(tool) => tool.name} />
    </>
  );
}

const isKept = ({ tool, pinned }: UpstreamTool) => tool !== null && pinned;

const COLUMNS: Column<UpstreamTool>[] = [
  {
    head: "Tool",
    narrow: "title",
    wide: "50%",
    cell: (it) =>
      it.tool !== null && it.pinned ? (
        <NameCell
          mark={<KindMark kind="tool" />}
          to="/tools/$name"
          params={{ name: it.tool }}
          name={it.tool}
          about={it.problem}
        />
      ) : (
        <span className="row">
          <KindMark kind="tool" />
          <span className="cut">
            {it.tool ?? it.name} <span className="dim">{it.problem}</span>
          </span>
        </span>
      ),
  },
  {
    head: "State",
    narrow: "end",
    cell: (it) => {
      const [look, word] = toolState(it);
      return <Tag look={look}>{word}</Tag>;
    },
  },
  { head: "It calls it", narrow: "line", cell: (it) => <code className="small">{it.name}</code> },
];

/** What is said otherwise than it was taken in: agents read the old words until somebody accepts the new ones. */
function Changes({ it, changed }: { it: Upstream; changed: readonly UpstreamTool[] }) {
  const mayWrite = useMay("admin.write");
  const accept = useAct(() => acceptUpstream(it), {
    keys: ["mcp", "tools"],
    said: () => `Agents read what ${it.display_name} says now`,
  });
  return (
    <section className="stack" aria-label="What has changed">
      <Note
        look="warn"
        title={`${it.display_name} says something else of ${plural(changed.length, "tool")}`}
        action={
          mayWrite && (
            <Button look="primary" busy={accept.isPending && "Accepting…"} onClick={() => accept.mutate()}>
              Accept the changes
            </Button>
          )
        }
      >
        They are not used until somebody accepts them: models read the words of a tool, and words may be meant
        to mislead them.
      </Note>
      {accept.isError && <ProblemNote error={accept.error} />}
      {changed.map((tool) => (
        <Changed key={tool.name} tool={tool} />
      ))}
    </section>
  );
}

const SAID = ["description", "input_schema", "output_schema"] as const;

function Changed({ tool }: { tool: UpstreamTool }) {
  const before = useQuery({ ...pinnedQuery(tool.tool ?? ""), enabled: isKept(tool) });
  return (
    <section className={s.changed} aria-label={tool.name}>
      <h2>
        <code>{tool.name}</code> {!tool.offered && "is gone"}
      </h2>
      {before.isError && <ProblemNote error={before.error} retry={() => before.refetch()} />}
      {tool.offered && before.data && (
        <Differences before={before.data} after={tool.offered} members={SAID} />
      )}
    </section>
  );
}
