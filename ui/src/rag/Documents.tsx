import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";
import { useMay } from "../api/me";
import { upload } from "../api/upload";
import { Button } from "../kit/Button";
import { Search } from "../kit/Field";
import { count, plural, size } from "../kit/format";
import { Icon } from "../kit/Icon";
import { StatusMark } from "../kit/Marks";
import { Empty, ProblemNote, Skeleton } from "../kit/Messages";
import { Filter, Toolbar } from "../kit/Page";
import { type Column, More, nameClass, Table } from "../kit/Table";
import { Time } from "../kit/Time";
import { useToast } from "../kit/Toasts";
import { type Document, deleteDocument, documentsQuery, retryDocument } from "./queries";
import s from "./Rag.module.css";
import { type DatabaseSearch, DOCUMENT_STATES } from "./search";
import { filesOf, totalOf, type Upload, Uploads } from "./uploads";

const route = getRouteApi("/rag/$name");

export function Documents({ name }: { name: string }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const mayWrite = useMay("rag.write");
  const list = useInfiniteQuery(documentsQuery(name, search));
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
  const rows = list.data?.pages.flatMap((it) => it.data) ?? [];
  const isNarrowed = Boolean(search.status || search.filename);
  return (
    <>
      {mayWrite && <Drop name={name} onUploaded={again} />}
      {(rows.length > 0 || isNarrowed) && (
        <Toolbar>
          <FilenameSearch value={search.filename} onChange={(filename) => narrow({ filename })} />
          <Filter
            label="State"
            value={search.status}
            options={DOCUMENT_STATES.map((it) => [it, it] as const)}
            onChange={(status) => narrow({ status: status as DatabaseSearch["status"] })}
          />
        </Toolbar>
      )}
      {(retry.isError || remove.isError) && <ProblemNote error={retry.error ?? remove.error} />}
      {list.isPending && <Skeleton />}
      {list.isError && <ProblemNote error={list.error} retry={() => list.refetch()} />}
      {list.isSuccess && rows.length === 0 && (
        <Empty title={isNarrowed ? "No document matches" : "No documents yet"}>
          {isNarrowed
            ? "Take a filter away."
            : "PDF, Word, Excel, HTML, Markdown, text and more. The same file twice is kept once."}
        </Empty>
      )}
      {rows.length > 0 && (
        <div>
          <Table
            label="Documents"
            columns={columns(name, mayWrite, retry.mutate, remove.mutate)}
            rows={rows}
            rowKey={(it) => it.id}
          />
          <More>
            {plural(rows.length, "document")} shown
            {list.hasNextPage && (
              <Button small busy={list.isFetchingNextPage && "Reading…"} onClick={() => list.fetchNextPage()}>
                More
              </Button>
            )}
          </More>
        </div>
      )}
    </>
  );
}

function FilenameSearch({
  value,
  onChange,
}: {
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}) {
  const [text, setText] = useState(value ?? "");
  const change = useRef(onChange);
  change.current = onChange;
  useEffect(() => {
    if (text.trim() === (value ?? "")) return;
    const timer = setTimeout(() => change.current(text.trim() || undefined), 300);
    return () => clearTimeout(timer);
  }, [text, value]);
  return <Search label="Name of the file" value={text} onChange={setText} />;
}

type Verb = (it: Document) => void;

const columns = (database: string, mayWrite: boolean, retry: Verb, remove: Verb): Column<Document>[] => [
  {
    head: "Document",
    narrow: "title",
    wide: "40%",
    cell: (it) => (
      <span className="row">
        <Icon name="file-text" />
        <span className="cut">
          <Link
            className={nameClass ?? ""}
            to="/rag/$name/$document"
            params={{ name: database, document: it.id }}
          >
            <bdi>{it.filename}</bdi>
          </Link>{" "}
          <span className="dim">{it.page_count && plural(it.page_count, "page")}</span>
        </span>
      </span>
    ),
  },
  { head: "State", narrow: "line", cell: (it) => <State document={it} /> },
  { head: "Size", end: true, cell: (it) => size(it.file_size) },
  { head: "Added", end: true, narrow: "end", cell: (it) => <Time at={it.created_at} /> },
  {
    head: "Verbs",
    end: true,
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

/** Files and folders are dropped here, or chosen. */
function Drop({ name, onUploaded }: { name: string; onUploaded: () => void }) {
  const [all, setAll] = useState<readonly Upload[]>([]);
  const [isOver, setOver] = useState(false);
  const told = useRef(onUploaded);
  told.current = onUploaded;
  const uploads = useMemo(
    () =>
      new Uploads(
        async (file, onProgress, signal) => {
          const sent = await upload(
            `/rag/databases/${encodeURIComponent(name)}/documents`,
            file,
            onProgress,
            signal,
          );
          told.current();
          return sent;
        },
        (now) => setAll(now),
      ),
    [name],
  );
  useEffect(() => () => uploads.cancel(), [uploads]);
  const total = totalOf(all);
  const isBusy = total.over < total.files;
  return (
    <section
      className={s.drop}
      aria-label="Upload"
      data-over={isOver || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        filesOf(event.dataTransfer.items).then((files) => uploads.add(files));
      }}
    >
      <div className={s.ask}>
        <Icon name="upload" />
        <p>
          Drop files or folders here, or{" "}
          <label>
            choose files
            <input
              type="file"
              multiple
              className="vh"
              onChange={(event) => {
                uploads.add([...(event.target.files ?? [])]);
                event.target.value = "";
              }}
            />
          </label>
          . The same file twice is kept once.
        </p>
      </div>
      {total.files > 0 && (
        <>
          <div className={s.total} role="status">
            <span className="small">
              {total.over} of {plural(total.files, "file")}
              {total.failed > 0 && <span className="badtxt">, {total.failed} failed</span>}
            </span>
            <progress aria-label="Uploaded" value={total.sent} max={Math.max(total.bytes, 1)} />
            {isBusy ? (
              <span className="small dim">{size(total.bytes)}</span>
            ) : (
              <Button small look="quiet" onClick={() => uploads.clear()}>
                Clear
              </Button>
            )}
          </div>
          <ul className={s.files}>
            {all
              .filter((it) => it.state !== "done")
              .map((it) => (
                <li key={it.key}>
                  <span className="cut grow">{it.name}</span>
                  {it.state === "failed" ? (
                    <span className="badtxt">{it.error}</span>
                  ) : (
                    <span className="dim">
                      {it.state === "known"
                        ? "is there already"
                        : it.state === "sending"
                          ? `${size(it.sent)} of ${size(it.bytes)}`
                          : "waits"}
                    </span>
                  )}
                </li>
              ))}
          </ul>
        </>
      )}
    </section>
  );
}
