import { useMutation } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useMay } from "../api/me";
import { failureOf } from "../api/problem";
import { Button } from "../kit/Button";
import { FaultsOf, Section, SelectField, TextArea, TextField, twoClass } from "../kit/Field";
import { parseObject, pretty } from "../kit/json";
import { Tag } from "../kit/Marks";
import { Note, ProblemNote } from "../kit/Messages";
import { PickField } from "../kit/PickField";
import { useAct } from "../parts/useAct";
import { bodyOf, formOf } from "./form";
import { changeDatabase, type Database, testDatabase } from "./queries";
import { MODES } from "./search";

const KINDS = ["embedded", "pgvector", "qdrant", "chroma"] as const;
const SHOWN = [
  "/display_name",
  "/description",
  "/embedding_model",
  "/chunk_size",
  "/chunk_overlap",
  "/chunker",
  "/vector_store_type",
  "/vector_store_config",
  "/search",
  "/scopes",
  "/metadata",
];

/** How a database is made. What changes its passages makes all of them anew, beside the old ones. */
export function Settings({ database }: { database: Database }) {
  const initial = useMemo(() => formOf(database), [database]);
  const [form, setForm] = useState(initial);
  const mayWrite = useMay("rag.write");
  const set =
    <K extends keyof typeof form>(name: K) =>
    (value: (typeof form)[K]) =>
      setForm((before) => ({ ...before, [name]: value }));
  const config = parseObject(form.config);
  const metadata = parseObject(form.metadata);
  const isBroken = "error" in config || "error" in metadata;
  const isChanged = pretty(form) !== pretty(initial);
  const remakes = (["embedding_model", "chunk_size", "chunk_overlap", "chunker", "chunk_unit"] as const).some(
    (it) => form[it] !== initial[it],
  );
  const save = useAct(() => changeDatabase(database.id, bodyOf(form)), {
    keys: ["rag"],
    said: (it) =>
      it.status === "reindexing" ? "Saved; all passages are made anew" : `Version ${it.version} is saved`,
  });
  const test = useMutation({ mutationFn: () => testDatabase(database.id) });
  return (
    <FaultsOf value={save.isError ? failureOf(save.error).faults : []}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!isBroken) save.mutate();
        }}
      >
        {save.isError && <ProblemNote error={save.error} known={SHOWN} />}
        <fieldset disabled={!mayWrite}>
          <Section title="What it is" hint="Agents read the description when they choose where to search.">
            <TextField
              label="Display name"
              pointer="/display_name"
              value={form.display_name}
              onChange={set("display_name")}
            />
            <TextArea
              label="Description"
              optional
              rows={2}
              pointer="/description"
              value={form.description}
              onChange={set("description")}
            />
          </Section>
          <Section
            title="Passages"
            hint="A change of these makes all passages anew; searches use the old ones until they are whole."
          >
            <TextField
              label="Embedding model"
              mono
              pointer="/embedding_model"
              value={form.embedding_model}
              onChange={set("embedding_model")}
            />
            <div className={twoClass}>
              <TextField
                label="Size"
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
            <div className={twoClass}>
              <TextField label="Chunker" pointer="/chunker" value={form.chunker} onChange={set("chunker")} />
              <TextField
                label="Unit"
                pointer="/chunk_unit"
                value={form.chunk_unit}
                onChange={set("chunk_unit")}
              />
            </div>
          </Section>
          <Section title="Search" hint="What holds if a search says nothing else.">
            <div className={twoClass}>
              <SelectField
                label="Mode"
                pointer="/search/mode"
                options={MODES.map((it) => [it, it] as const)}
                value={form.mode}
                onChange={set("mode")}
              />
              <TextField
                label="At most"
                type="number"
                pointer="/search/top_k"
                value={form.top_k}
                onChange={set("top_k")}
              />
            </div>
          </Section>
          <Section
            title="Store"
            hint="Where vectors are searched. The passages themselves stay in the server's database."
          >
            <SelectField
              label="Vector store"
              pointer="/vector_store_type"
              options={KINDS.map((it) => [it, it] as const)}
              value={form.store}
              onChange={set("store")}
            />
            <TextArea
              label="Its configuration"
              optional
              mono
              rows={3}
              pointer="/vector_store_config"
              hint='Of qdrant and chroma: {"url": "…", "secret": "…", "collection": "…"}'
              error={"error" in config ? config.error : undefined}
              value={form.config}
              onChange={set("config")}
            />
            <p className="row wrap">
              <Button icon="zap" busy={test.isPending && "Asking…"} onClick={() => test.mutate()}>
                Test the store
              </Button>
              {test.data && <Tag look={test.data.ok ? "ok" : "bad"}>{test.data.detail}</Tag>}
              {test.data?.capabilities.map((it) => (
                <Tag key={it}>{it}</Tag>
              ))}
            </p>
            {test.isError && <ProblemNote error={test.error} />}
          </Section>
          <Section title="Access" hint="Whoever searches must hold all of these, also through an agent.">
            <PickField
              label="Scopes"
              optional
              open
              options={["rag.search"]}
              pointer="/scopes"
              value={form.scopes}
              onChange={set("scopes")}
            />
            <TextArea
              label="Metadata"
              optional
              mono
              rows={3}
              pointer="/metadata"
              error={"error" in metadata ? metadata.error : undefined}
              value={form.metadata}
              onChange={set("metadata")}
            />
          </Section>
        </fieldset>
        {mayWrite ? (
          <p className="row wrap" style={{ paddingTop: 16 }}>
            <Button
              type="submit"
              look="primary"
              disabled={!isChanged || isBroken}
              busy={save.isPending && "Saving…"}
            >
              Save database
            </Button>
            <Button disabled={!isChanged} onClick={() => setForm(initial)}>
              Discard
            </Button>
            {isChanged && remakes && <span className="small dim">Makes all passages anew</span>}
          </p>
        ) : (
          <Note title="You may look, not change">Changing databases needs rag.write.</Note>
        )}
      </form>
    </FaultsOf>
  );
}
