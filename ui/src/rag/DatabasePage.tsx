import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "../api/me";
import { Button } from "../kit/Button";
import { Refused } from "../kit/FormDialog";
import { count, plural, size } from "../kit/format";
import { Note } from "../kit/Messages";
import { Body, Head, Tabs } from "../kit/Page";
import { Deletion } from "../parts/Deletion";
import { unread } from "../parts/Unread";
import { useAct } from "../parts/useAct";
import { DatabaseState } from "./DatabasesPage";
import { Documents } from "./Documents";
import { type Database, databaseQuery, deleteDatabase, reindexDatabase } from "./queries";
import { SearchLab } from "./SearchLab";
import { Settings } from "./Settings";

const route = getRouteApi("/rag/$name");
const CRUMBS = [{ label: "RAG databases", to: "/rag" }] as const;

/** One database: what is in it, what a search finds, and how it is made. */
export function DatabasePage() {
  const { name } = route.useParams();
  const { tab = "documents" } = route.useSearch();
  const { data, error, refetch } = useQuery(databaseQuery(name));
  const maySearch = useMay("rag.search");
  if (!data) return unread({ title: name, crumbs: CRUMBS, error, retry: refetch });
  return (
    <>
      <Head
        title={data.display_name}
        crumbs={CRUMBS}
        beside={<DatabaseState database={data} />}
        actions={<Verbs database={data} />}
        lede={
          <p>
            {plural(data.stats.chunks, "passage")}, {size(data.stats.bytes)} · {data.embedding_model}
            {data.dimension && `, ${data.dimension}`} · {data.vector_store_type} · generation{" "}
            {data.generation}
          </p>
        }
      />
      {data.last_error && (
        <div style={{ padding: "12px var(--gutter) 0" }}>
          <Note look={data.status === "error" ? "bad" : "warn"} title={data.last_error} />
        </div>
      )}
      <Tabs
        label="Database"
        current={tab}
        tabs={[
          { id: "documents", label: "Documents", count: data.stats.documents },
          ...(maySearch ? ([{ id: "search", label: "Search lab" }] as const) : []),
          { id: "settings", label: "Settings" },
        ]}
      />
      <Body>
        {tab === "documents" && <Documents name={data.name} />}
        {tab === "search" && <SearchLab name={data.name} database={data} />}
        {tab === "settings" && <Settings database={data} />}
      </Body>
    </>
  );
}

function Verbs({ database }: { database: Database }) {
  const mayWrite = useMay("rag.write");
  const navigate = route.useNavigate();
  const [isDeleting, setDeleting] = useState(false);
  const reindex = useAct(() => reindexDatabase(database.id), {
    keys: ["rag"],
    said: () => "All passages are made anew; searches use the old ones until then",
  });
  if (!mayWrite) return null;
  return (
    <>
      <Button
        icon="refresh-cw"
        busy={reindex.isPending && "Asking…"}
        disabled={database.status === "reindexing"}
        onClick={() => reindex.mutate()}
      >
        Reindex
      </Button>
      <Button look="danger" icon="trash-2" aria-label="Delete database…" onClick={() => setDeleting(true)} />
      <Refused title="It was not begun" of={reindex} />
      {isDeleting && (
        <Deletion
          noun="database"
          name={database.display_name}
          queryKey="rag"
          remove={(force) => deleteDatabase(database.id, force)}
          onClose={() => setDeleting(false)}
          onRemoved={() => navigate({ to: "/rag" })}
        >
          Its {count(database.stats.documents)} documents and {count(database.stats.chunks)} passages go too.
          What answers have quoted stays in their runs.
        </Deletion>
      )}
    </>
  );
}
