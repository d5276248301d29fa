import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { PATH } from "../api/client";
import { listed } from "../api/pages";
import { Listing } from "../kit/Listing";
import { Empty } from "../kit/Messages";
import { Body, Head } from "../kit/Page";
import { RowLink } from "../kit/RowLink";
import type { Column } from "../kit/Table";
import { unread } from "../parts/Unread";
import { Call, Method } from "./Call";
import type { Operation } from "./operations";
import { operationsQuery } from "./queries";

const route = getRouteApi("/api");
const CRUMBS = [{ label: "API explorer", to: "/api" }] as const;

/** The whole API, to be called from here: what it takes, what it answers, and the same as a command. */
export function ExplorerPage() {
  const { op } = route.useSearch();
  const all = useQuery(operationsQuery);
  if (op === undefined) return <All list={all} />;
  if (!all.data) return unread({ title: "Call", crumbs: CRUMBS, error: all.error, retry: all.refetch });
  const operation = all.data.find((it) => it.id === op);
  if (!operation) {
    return (
      <>
        <Head title={op} crumbs={CRUMBS} />
        <Body>
          <Empty title="There is no such call">This server has none of that name.</Empty>
        </Body>
      </>
    );
  }
  return <Call key={op} operation={operation} />;
}

function All({ list }: { list: Parameters<typeof listed<Operation>>[0] }) {
  return (
    <>
      <Head
        title="API explorer"
        lede={
          <p>
            Everything that these pages do, they do by this API. Its{" "}
            <a href={`${PATH}/docs`} target="_blank" rel="noreferrer">
              reference
            </a>{" "}
            and <a href={`${PATH}/openapi.json`}>OpenAPI document</a> say all of it; here it is called as you.
          </p>
        }
      />
      <Body>
        <Listing
          noun="call"
          label="Calls"
          list={listed(list)}
          columns={COLUMNS}
          rowKey={(it) => it.id}
          find={{
            hint: "Words or path",
            of: (it) => ({ label: it.summary, hint: `${it.method} ${it.path} ${it.tag}` }),
          }}
          empty={{ title: "No calls", text: "The server's document has none." }}
        />
      </Body>
    </>
  );
}

const COLUMNS: Column<Operation>[] = [
  {
    head: "Call",
    narrow: "title",
    wide: "40%",
    cell: (it) => (
      <span className="cut" style={{ display: "block" }}>
        <RowLink to="/api" search={{ op: it.id }}>
          {it.summary}
        </RowLink>
      </span>
    ),
  },
  { head: "Method", narrow: "end", cell: (it) => <Method method={it.method} /> },
  { head: "Path", narrow: "line", wide: "40%", cell: (it) => <code className="small">{it.path}</code> },
  { head: "Of", cell: (it) => <span className="sub">{it.tag}</span> },
];
