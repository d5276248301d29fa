import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "../api/me";
import { isEmpty, listedPages } from "../api/pages";
import { Button } from "../kit/Button";
import { SelectField, TextField, twoClass } from "../kit/Field";
import { FormDialog } from "../kit/FormDialog";
import { count, size } from "../kit/format";
import { Listing } from "../kit/Listing";
import { KindMark, Tag } from "../kit/Marks";
import { NameCell } from "../kit/NameCell";
import { Body, Head } from "../kit/Page";
import type { Column } from "../kit/Table";
import { Time } from "../kit/Time";
import { useAct } from "../parts/useAct";
import { createDatabase, type Database, databasesQuery } from "./queries";

const route = getRouteApi("/rag");

/** What agents can look up: databases of documents. */
export function DatabasesPage() {
  const list = listedPages(useInfiniteQuery(databasesQuery));
  const mayWrite = useMay("rag.write");
  const [isMaking, setMaking] = useState(false);
  const make = mayWrite && (
    <Button look="primary" icon="plus" onClick={() => setMaking(true)}>
      New database…
    </Button>
  );
  return (
    <>
      <Head title="RAG databases" actions={!isEmpty(list) && make} />
      <Body>
        <Listing
          noun="database"
          label="RAG databases"
          list={list}
          columns={COLUMNS}
          rowKey={(it) => it.id}
          find={{ hint: "Name", of: (it) => ({ label: it.display_name, hint: it.name }) }}
          empty={{
            title: "No databases yet",
            text: "Put documents in, and agents can search them: what they say then carries the passage that it comes from.",
            action: make,
          }}
        />
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
      <NameCell
        mark={<KindMark kind="retrieval" />}
        to="/rag/$name"
        params={{ name: it.name }}
        name={it.display_name}
        about={it.description || it.name}
      />
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
  const make = useAct(
    () =>
      createDatabase({
        name: form.name.trim(),
        display_name: form.display_name.trim() || null,
        embedding_model: form.embedding_model.trim() || null,
        chunk_size: Number(form.chunk_size) || null,
        chunk_overlap: form.chunk_overlap === "" ? null : Number(form.chunk_overlap),
        vector_store_type: form.vector_store_type as "embedded",
      }),
    { keys: ["rag"], after: (it) => navigate({ to: "/rag/$name", params: { name: it.name } }) },
  );
  return (
    <FormDialog
      title="New RAG database"
      verb="Make database"
      doing="Making…"
      of={make}
      onSubmit={() => make.mutate()}
      onClose={onClose}
      known={SHOWN}
    >
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
    </FormDialog>
  );
}

const SHOWN = [
  "/name",
  "/display_name",
  "/embedding_model",
  "/chunk_size",
  "/chunk_overlap",
  "/vector_store_type",
];

export const STORES = [
  ["embedded", "embedded: in this database"],
  ["pgvector", "pgvector: PostgreSQL"],
] as const;
