import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "../api/me";
import { failureOf } from "../api/problem";
import { Button } from "../kit/Button";
import { FaultsOf, SelectField, TextField, twoClass } from "../kit/Field";
import { count, plural, size } from "../kit/format";
import { KindMark, Tag } from "../kit/Marks";
import { Dialog, Empty, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Head } from "../kit/Page";
import { type Column, More, nameClass, Table } from "../kit/Table";
import { Time } from "../kit/Time";
import { createDatabase, type Database, databasesQuery } from "./queries";

const route = getRouteApi("/rag");

/** What agents can look up: databases of documents. */
export function DatabasesPage() {
  const list = useInfiniteQuery(databasesQuery);
  const mayWrite = useMay("rag.write");
  const [isMaking, setMaking] = useState(false);
  const rows = list.data?.pages.flatMap((it) => it.data) ?? [];
  const make = mayWrite && (
    <Button look="primary" icon="plus" onClick={() => setMaking(true)}>
      New database…
    </Button>
  );
  return (
    <>
      <Head title="RAG databases" actions={rows.length > 0 && make} />
      <Body>
        {list.isPending && <Skeleton />}
        {list.isError && <ProblemNote error={list.error} retry={() => list.refetch()} />}
        {list.isSuccess && rows.length === 0 && (
          <Empty title="No databases yet" action={make}>
            Put documents in, and agents can search them: what they say then carries the passage that it comes
            from.
          </Empty>
        )}
        {rows.length > 0 && (
          <div>
            <Table label="RAG databases" columns={COLUMNS} rows={rows} rowKey={(it) => it.id} />
            <More>
              {plural(rows.length, "database")}
              {list.hasNextPage && (
                <Button small onClick={() => list.fetchNextPage()}>
                  More
                </Button>
              )}
            </More>
          </div>
        )}
      </Body>
      {isMaking && <Make onClose={() => setMaking(false)} />}
    </>
  );
}

const COLUMNS: Column<Database>[] = [
  {
    head: "Database",
    narrow: "title",
    wide: "36%",
    cell: (it) => (
      <span className="row">
        <KindMark kind="retrieval" />
        <span className="cut">
          <Link className={nameClass ?? ""} to="/rag/$name" params={{ name: it.name }}>
            <bdi>{it.display_name}</bdi>
          </Link>{" "}
          <span className="dim" dir="auto">
            {it.description || it.name}
          </span>
        </span>
      </span>
    ),
  },
  { head: "State", narrow: "end", cell: (it) => <DatabaseState database={it} /> },
  { head: "Embeds with", narrow: "line", cell: (it) => <span className="sub">{it.embedding_model}</span> },
  { head: "Store", cell: (it) => it.vector_store_type },
  { head: "Documents", end: true, cell: (it) => count(it.stats.documents) },
  { head: "Passages", end: true, cell: (it) => count(it.stats.chunks) },
  { head: "Size", end: true, cell: (it) => size(it.stats.bytes) },
  { head: "Changed", end: true, cell: (it) => it.updated_at && <Time at={it.updated_at} /> },
];

export function DatabaseState({ database: it }: { database: Database }) {
  if (!it.is_active) return <Tag look="line">inactive</Tag>;
  if (it.status === "error") {
    return (
      <Tag look="bad" icon="octagon-x">
        error
      </Tag>
    );
  }
  if (it.status === "reindexing")
    return (
      <Tag look="live">
        {it.reindex ? `reindexing, ${it.reindex.done} of ${it.reindex.total}` : "reindexing"}
      </Tag>
    );
  return <Tag look="ok">ready</Tag>;
}

function Make({ onClose }: { onClose: () => void }) {
  const navigate = route.useNavigate();
  const queries = useQueryClient();
  const [form, setForm] = useState({
    name: "",
    display_name: "",
    embedding_model: "",
    chunk_size: "1000",
    chunk_overlap: "200",
    vector_store_type: "embedded",
  });
  const set = (name: keyof typeof form) => (value: string) =>
    setForm((before) => ({ ...before, [name]: value }));
  const make = useMutation({
    mutationFn: () =>
      createDatabase({
        name: form.name.trim(),
        display_name: form.display_name.trim() || null,
        embedding_model: form.embedding_model.trim() || null,
        chunk_size: Number(form.chunk_size) || null,
        chunk_overlap: form.chunk_overlap === "" ? null : Number(form.chunk_overlap),
        vector_store_type: form.vector_store_type as "embedded",
      }),
    onSuccess: (it) => {
      queries.invalidateQueries({ queryKey: ["rag"] });
      navigate({ to: "/rag/$name", params: { name: it.name } });
    },
  });
  const shown = [
    "/name",
    "/display_name",
    "/embedding_model",
    "/chunk_size",
    "/chunk_overlap",
    "/vector_store_type",
  ];
  return (
    <FaultsOf value={make.isError ? failureOf(make.error).faults : []}>
      <Dialog
        title="New RAG database"
        onClose={onClose}
        onSubmit={() => make.mutate()}
        footer={
          <>
            <Button onClick={onClose}>Close</Button>
            <Button type="submit" look="primary" busy={make.isPending && "Making…"}>
              Make database
            </Button>
          </>
        }
      >
        {make.isError && <ProblemNote error={make.error} known={shown} />}
        <div className={twoClass}>
          <TextField
            label="Name"
            mono
            required
            pointer="/name"
            hint="Agents search it as search_<name>."
            value={form.name}
            onChange={set("name")}
          />
          <TextField
            label="Display name"
            optional
            pointer="/display_name"
            value={form.display_name}
            onChange={set("display_name")}
          />
        </div>
        <TextField
          label="Embedding model"
          optional
          mono
          pointer="/embedding_model"
          hint="provider/name; without, the server's default. local/hashing needs no provider."
          value={form.embedding_model}
          onChange={set("embedding_model")}
        />
        <div className={twoClass}>
          <TextField
            label="Passage, characters"
            type="number"
            pointer="/chunk_size"
            value={form.chunk_size}
            onChange={set("chunk_size")}
          />
          <TextField
            label="Overlap"
            type="number"
            pointer="/chunk_overlap"
            value={form.chunk_overlap}
            onChange={set("chunk_overlap")}
          />
        </div>
        <SelectField
          label="Vector store"
          pointer="/vector_store_type"
          options={STORES}
          value={form.vector_store_type}
          onChange={set("vector_store_type")}
        />
      </Dialog>
    </FaultsOf>
  );
}

export const STORES = [
  ["embedded", "embedded: in this database"],
  ["pgvector", "pgvector: PostgreSQL"],
] as const;
