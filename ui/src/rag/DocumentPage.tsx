import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { type KeyboardEvent, useEffect } from "react";
import { PATH } from "../api/client";
import { Button, buttonClass } from "../kit/Button";
import { Json } from "../kit/Code";
import { count, plural, size } from "../kit/format";
import { Icon } from "../kit/Icon";
import { Note, ProblemNote } from "../kit/Messages";
import { Facts, Head, Panes } from "../kit/Page";
import { Time } from "../kit/Time";
import { unread } from "../parts/Unread";
import { State } from "./Documents";
import { type Chunk, chunksQuery, type Document, documentQuery } from "./queries";
import s from "./Rag.module.css";
import { isNewPlace, partsOf } from "./text";

const route = getRouteApi("/rag/$name/$document");

/** A document as it is searched: its text, cut into passages. */
export function DocumentPage() {
  const { name, document: id } = route.useParams();
  const { chunk } = route.useSearch();
  const navigate = route.useNavigate();
  const { data, error, refetch } = useQuery(documentQuery(name, id));
  const chunks = useInfiniteQuery({
    ...chunksQuery(name, id),
    enabled: data?.embedding_status === "completed",
  });
  const crumbs = [
    { label: "RAG databases", to: "/rag" },
    { label: name, to: "/rag/$name", params: { name } },
  ] as const;
  if (!data || chunks.isLoading) return unread({ title: "Document", crumbs, error, retry: refetch });
  const all = chunks.data?.pages.flatMap((it) => it.data) ?? [];
  const chosen = all.find((it) => String(it.index) === chunk);
  const choose = (it: Chunk | undefined) =>
    navigate({ search: { chunk: it && it !== chosen ? String(it.index) : undefined }, replace: true });
  return (
    <>
      <Head
        title={data.filename}
        crumbs={crumbs}
        beside={<span className="small">{<State document={data} />}</span>}
        actions={
          <a
            className={buttonClass()}
            href={`${PATH}/rag/databases/${encodeURIComponent(name)}/documents/${id}/content`}
            download={data.original_filename}
          >
            <Icon name="download" /> Download
          </a>
        }
      />
      <Panes
        label="Details"
        aside={chosen ? <ChunkDetails chunk={chosen} /> : <DocumentFacts document={data} />}
      >
        <div className={s.paper}>
          {chunks.isError && <ProblemNote error={chunks.error} retry={() => chunks.refetch()} />}
          {data.embedding_status !== "completed" && (
            <Note title="Its passages are shown when it is ingested">{<State document={data} />}</Note>
          )}
          {all.length > 0 && <Sheet chunks={all} chosen={chosen} onChoose={choose} />}
          {chunks.hasNextPage && (
            <p style={{ textAlign: "center", paddingTop: 14 }}>
              <Button busy={chunks.isFetchingNextPage && "Reading…"} onClick={() => chunks.fetchNextPage()}>
                Read on
              </Button>
            </p>
          )}
        </div>
      </Panes>
    </>
  );
}

interface SheetProps {
  chunks: Chunk[];
  chosen: Chunk | undefined;
  onChoose: (chunk: Chunk) => void;
}

function Sheet({ chunks, chosen, onChoose }: SheetProps) {
  useEffect(() => {
    if (chosen) document.getElementById(`chunk-${chosen.index}`)?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  const press = (event: KeyboardEvent<HTMLElement>) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const buttons = [...event.currentTarget.querySelectorAll("button")];
    const at = buttons.indexOf(event.target as HTMLButtonElement);
    const next = step && buttons[at + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  };
  return (
    <div className={s.sheet} role="group" aria-label="Passages" onKeyDown={press}>
      {chunks.map((it, at) => {
        const { shared, own } = partsOf(it, chunks[at - 1]);
        return (
          <div key={it.id} style={{ display: "contents" }}>
            {isNewPlace(it, chunks[at - 1]) && (it.page !== null || it.heading_path.length > 0) && (
              <p className={s.place} dir="auto">
                {[it.page !== null && `Page ${it.page}`, ...it.heading_path].filter(Boolean).join(" › ")}
              </p>
            )}
            <button
              type="button"
              id={`chunk-${it.index}`}
              className={s.chunk}
              aria-pressed={it === chosen}
              onClick={() => onChoose(it)}
              dir="auto"
            >
              <span className={s.n}>{it.index + 1}</span>
              {shared && <span className={s.shared}>{shared}</span>}
              {own}
            </button>
          </div>
        );
      })}
    </div>
  );
}

function ChunkDetails({ chunk }: { chunk: Chunk }) {
  return (
    <>
      <h2>Passage {chunk.index + 1}</h2>
      <Facts
        facts={[
          ["Headings", chunk.heading_path.join(" › ")],
          ["Page", chunk.page],
          ["Characters", `${count(chunk.start)} to ${count(chunk.end)}`],
          [
            "Id",
            <code key="id" className="small">
              {chunk.id}
            </code>,
          ],
        ]}
      />
      {Object.keys(chunk.metadata).length > 0 && <Json value={chunk.metadata} title="Metadata" />}
    </>
  );
}

function DocumentFacts({ document: it }: { document: Document }) {
  return (
    <>
      <Facts
        facts={[
          ["File", it.original_filename],
          ["Type", it.file_type],
          ["Size", size(it.file_size)],
          ["Pages", it.page_count],
          ["Passages", count(it.chunk_count)],
          ["Language", it.language],
          ["Encoding", it.encoding],
          ["Came from", it.source_url],
          ["Scopes", it.scopes.join(" ")],
          ["Added", <Time key="a" at={it.created_at} />],
          ["By", it.uploaded_by],
        ]}
      />
      {it.warnings.length > 0 && (
        <Note look="warn" title={plural(it.warnings.length, "warning")}>
          <ul>
            {it.warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </Note>
      )}
      {Object.keys(it.metadata).length > 0 && <Json value={it.metadata} title="Metadata" />}
      <p className="small dim">
        Choose a passage to see where it stands. What two passages share is underlined with dots.
      </p>
    </>
  );
}
