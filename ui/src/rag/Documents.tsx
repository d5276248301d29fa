import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useMay } from "../api/me";
import { listedPages } from "../api/pages";
import { Button } from "../kit/Button";
import { count, plural, size } from "../kit/format";
import { Icon } from "../kit/Icon";
import { Listing } from "../kit/Listing";
import { StatusMark } from "../kit/Marks";
import { ProblemNote } from "../kit/Messages";
import { NameCell } from "../kit/NameCell";
import { Filter, Toolbar } from "../kit/Page";
import type { Column } from "../kit/Table";
import { Time } from "../kit/Time";
import { useToast } from "../kit/Toasts";
import { TypedSearch } from "../kit/TypedSearch";
import { Drop } from "./Drop";
import { type Document, deleteDocument, documentsQuery, retryDocument } from "./queries";
import s from "./Rag.module.css";
import { type DatabaseSearch, DOCUMENT_STATES } from "./search";

const route = getRouteApi("/rag/$name");

export function Documents({ name }: { name: string }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const mayWrite = useMay("rag.write");
  const list = listedPages(useInfiniteQuery(documentsQuery(name, search)));
  const queries = useQueryClient();
  const say = useToast();
  const narrow = (more: DatabaseSearch) => navigate({ search: { ...search, ...more }, replace: true });
  const again = () => queries.invalidateQueries({ queryKey: ["rag"] });
  const retry = useMutation({ mutationFn: (it: Document) => retryDocument(name, it.id), onSettled: again });
  const remove = useMutation({
    mutationFn: (it: Document) => deleteDocument(name, it.id),
    onSuccess: (_, it) => say(`Deleted “${it.filename}” and its ${plural(it.chunk_count, "passage")}`),
    onSettled: again,
  });
  const isNarrowed = Boolean(search.status || search.filename);
  return (
    <>
      {mayWrite && <Drop name={name} onUploaded={again} />}
      {(list.rows.length > 0 || isNarrowed) && (
        <Toolbar>
          <TypedSearch
            label="Name of the file"
            placeholder="Name of the file"
            value={search.filename}
            onChange={(filename) => narrow({ filename })}
          />
          <Filter
            label="State"
            value={search.status}
            options={DOCUMENT_STATES.map((it) => [it, it] as const)}
            onChange={(status) => narrow({ status: status as DatabaseSearch["status"] })}
          />
        </Toolbar>
      )}
      {(retry.isError || remove.isError) && <ProblemNote error={retry.error ?? remove.error} />}
      <Listing
        noun="document"
        label="Documents"
        list={list}
        columns={columns(name, mayWrite, retry.mutate, remove.mutate)}
        rowKey={(it) => it.id}
        empty={
          isNarrowed
            ? { title: "No document matches", text: "Take a filter away." }
            : {
                title: "No documents yet",
                text: "PDF, Word, Excel, HTML, Markdown, text and more. The same file twice is kept once.",
              }
        }
      />
    </>
  );
}

type Verb = (it: Document) => void;

const columns = (database: string, mayWrite: boolean, retry: Verb, remove: Verb): Column<Document>[] => [
  {
    head: "Document",
    narrow: "title",
    wide: "40%",
    cell: (it) => (
      <NameCell
        mark={<Icon name="file-text" />}
        to="/rag/$name/$document"
        params={{ name: database, document: it.id }}
        name={it.filename}
        about={it.page_count && plural(it.page_count, "page")}
      />
    ),
  },
  { head: "State", narrow: "line", cell: (it) => <State document={it} /> },
  { head: "Size", end: true, cell: (it) => size(it.file_size) },
  { head: "Added", end: true, cell: (it) => <Time at={it.created_at} /> },
  {
    head: "Verbs",
    unseen: true,
    end: true,
    narrow: "end",
    cell: (it) =>
      mayWrite && (
        <span className="row" style={{ justifyContent: "end" }}>
          {it.embedding_status === "failed" && (
            <Button small icon="rotate-ccw" onClick={() => retry(it)}>
              Retry
            </Button>
          )}
          <Button
            small
            look="quiet"
            icon="trash-2"
            aria-label={`Delete ${it.filename}`}
            onClick={() => remove(it)}
          />
        </span>
      ),
  },
];

const STAGES = ["parse", "chunk", "embed", "store"] as const;
const DOING = { parse: "Reading", chunk: "Cutting", embed: "Embedding", store: "Storing" };

/** How far the ingestion of a document is, or why it stopped. */
export function State({ document: it }: { document: Document }) {
  if (it.embedding_status === "completed") {
    return (
      <span className="sub row">
        <Icon name="check" small label="completed" /> {plural(it.chunk_count, "passage")}
        {it.warnings.length > 0 && `, ${plural(it.warnings.length, "warning")}`}
      </span>
    );
  }
  if (it.embedding_status === "failed")
    return <StatusMark status="failed" more={it.error_message ? `: ${it.error_message}` : ""} />;
  if (it.embedding_status === "pending" || !it.stage)
    return <StatusMark status="queued" more="for a worker" />;
  const at = STAGES.indexOf(it.stage);
  const share = it.progress && it.progress.total > 0 ? it.progress.done / it.progress.total : 0.5;
  return (
    <span className={s.prog}>
      <span className={s.stages} aria-hidden>
        {STAGES.map((stage, n) => (
          <i key={stage}>
            <b style={{ "--w": n < at ? "100%" : n === at ? `${100 * share}%` : "0%" } as object} />
          </i>
        ))}
      </span>
      <span className="small">
        {DOING[it.stage]}
        {it.progress && ` ${count(it.progress.done)} of ${count(it.progress.total)}`}
      </span>
    </span>
  );
}
