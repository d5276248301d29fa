import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "../api/me";
import { Failure } from "../api/problem";
import { Button } from "../kit/Button";
import { count, plural, size } from "../kit/format";
import { Dialog, Note, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Head, Tabs } from "../kit/Page";
import { useToast } from "../kit/Toasts";
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
  if (!data) {
    return (
      <>
        <Head title={name} crumbs={CRUMBS} />
        <Body>{error ? <ProblemNote error={error} retry={refetch} /> : <Skeleton />}</Body>
      </>
    );
  }
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
  const queries = useQueryClient();
  const navigate = route.useNavigate();
  const say = useToast();
  const [isDeleting, setDeleting] = useState(false);
  const again = () => queries.invalidateQueries({ queryKey: ["rag"] });
  const reindex = useMutation({
    mutationFn: () => reindexDatabase(database.id),
    onSuccess: () => {
      again();
      say("All passages are made anew; searches use the old ones until then");
    },
  });
  const remove = useMutation({
    mutationFn: (force: boolean) => deleteDatabase(database.id, force),
    onSuccess: () => {
      again();
      say(`Deleted ${database.display_name}`);
      navigate({ to: "/rag" });
    },
  });
  if (!mayWrite) return null;
  const isInUse = remove.error instanceof Failure && remove.error.slug === "rag-database-in-use";
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
      {reindex.isError && (
        <Dialog
          title="It was not begun"
          onClose={() => reindex.reset()}
          footer={<Button onClick={() => reindex.reset()}>Close</Button>}
        >
          <ProblemNote error={reindex.error} />
        </Dialog>
      )}
      {isDeleting && (
        <Dialog
          title={`Delete ${database.display_name}?`}
          onClose={() => setDeleting(false)}
          onSubmit={() => remove.mutate(isInUse)}
          footer={
            <>
              <Button onClick={() => setDeleting(false)}>Keep it</Button>
              <Button type="submit" look="destroy" busy={remove.isPending && "Deleting…"}>
                {isInUse ? "Delete it all the same" : "Delete database"}
              </Button>
            </>
          }
        >
          <p className="sub">
            Its {count(database.stats.documents)} documents and {count(database.stats.chunks)} passages go
            too. What answers have quoted stays in their runs.
          </p>
          {remove.isError && <ProblemNote error={remove.error} />}
        </Dialog>
      )}
    </>
  );
}
