import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { Button } from "../kit/Button";
import { SelectField, TextField } from "../kit/Field";
import { duration, plural } from "../kit/format";
import { parseObject } from "../kit/json";
import { Empty, Note, ProblemNote, Skeleton } from "../kit/Messages";
import { type Database, type Hit, searchQuery } from "./queries";
import s from "./Rag.module.css";
import { MODES, type Mode } from "./search";
import { markedParts } from "./text";

const route = getRouteApi("/rag/$name");

/** What a search finds, why it stands where it does, and how another mode would have it. */
export function SearchLab({ name, database }: { name: string; database: Database }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const [query, setQuery] = useState(search.q ?? "");
  const [filter, setFilter] = useState(search.filter ?? "");
  const mode = search.mode ?? (database.search.mode as Mode | undefined) ?? "hybrid";
  const topK = Math.min(Math.max(Number(search.k) || 5, 1), 100);
  const parsed = parseObject(filter);
  const error = "error" in parsed ? parsed.error : undefined;
  const asked = parseObject(search.filter ?? "");
  const submit = () => {
    if (!error)
      navigate({
        search: { ...search, q: query.trim() || undefined, filter: filter.trim() || undefined },
        replace: true,
      });
  };
  const common = { name, query: search.q ?? "", topK, filter: "value" in asked ? asked.value : null };
  return (
    <>
      <form
        className={s.lab}
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <div className={s.line}>
          <TextField label="Question" value={query} onChange={setQuery} />
          <SelectField
            label="Mode"
            value={mode}
            options={MODES.map((it) => [it, it] as const)}
            onChange={(it) => navigate({ search: { ...search, mode: it as Mode }, replace: true })}
          />
          <SelectField
            label="Compare with"
            value={search.beside ?? ""}
            options={[["", "nothing"], ...MODES.filter((it) => it !== mode).map((it) => [it, it] as const)]}
            onChange={(it) =>
              navigate({
                search: { ...search, beside: (it || undefined) as Mode | undefined },
                replace: true,
              })
            }
          />
          <SelectField
            label="At most"
            value={String(topK)}
            options={["5", "10", "20", "50"].map((it) => [it, it] as const)}
            onChange={(k) => navigate({ search: { ...search, k }, replace: true })}
          />
          <Button type="submit" look="primary" icon="search">
            Search
          </Button>
        </div>
        <TextField
          label="Filter"
          optional
          mono
          hint='Over metadata, such as {"team": "hr", "year": {"$gte": 2024}}'
          error={error}
          value={filter}
          onChange={setFilter}
        />
      </form>
      {search.q ? (
        <div className={s.columns}>
          <Found {...common} mode={mode} />
          {search.beside && search.beside !== mode && <Found {...common} mode={search.beside} />}
        </div>
      ) : (
        <Empty title="Ask as an agent would">
          The passages that are found stand here in their order, with the words that count marked and the
          scores behind their rank.
        </Empty>
      )}
    </>
  );
}

interface FoundProps {
  name: string;
  query: string;
  mode: Mode;
  topK: number;
  filter: Record<string, unknown> | null;
}

function Found({ name, query, mode, topK, filter }: FoundProps) {
  const { data, isPending, isError, error, refetch } = useQuery(searchQuery(name, query, mode, topK, filter));
  if (isPending) return <Skeleton rows={4} />;
  if (isError) return <ProblemNote error={error} retry={refetch} />;
  return (
    <section aria-label={`Found by ${mode}`}>
      <p className="row small dim">
        <b className="strong">{mode}</b> {plural(data.data.length, "passage")} in {duration(data.took_ms)}
      </p>
      {data.warnings.map((it) => (
        <Note key={it} look="warn" title={it} />
      ))}
      {data.data.length === 0 && <p className="sub">Nothing was found.</p>}
      <ol className={s.hits}>
        {data.data.map((it, at) => (
          <li key={it.citation.chunk_id}>
            <span className={s.rank}>{at + 1}</span>
            <div className="stack">
              <p className={`read ${s.hit}`} dir="auto">
                {markedParts(it.text, it.highlights).map((part, n) =>
                  part.hit ? <mark key={n}>{part.text}</mark> : part.text,
                )}
              </p>
              <p className="small dim" dir="auto">
                <Link to="/rag/$name/$document" params={{ name, document: it.citation.document_id }}>
                  {it.citation.filename}
                </Link>
                {it.citation.page !== null && `, p. ${it.citation.page}`}
                {it.citation.heading_path.length > 0 && ` · ${it.citation.heading_path.join(" › ")}`}
              </p>
            </div>
            <Scores hit={it} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function Scores({ hit }: { hit: Hit }) {
  const rows = [
    ["vector", hit.scores.vector],
    ["keyword", hit.scores.keyword],
    ["rerank", hit.scores.rerank],
  ] as const;
  return (
    <div className={s.score}>
      <b>{hit.score.toFixed(3)}</b>
      {rows.map(([name, score]) =>
        score === null || score === undefined ? null : (
          <span key={name}>
            {name} <span>{score.toFixed(3)}</span>
          </span>
        ),
      )}
    </div>
  );
}
