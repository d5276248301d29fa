import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { Button } from "../kit/Button";
import { Code, Json } from "../kit/Code";
import { Search } from "../kit/Field";
import { count, shortId } from "../kit/format";
import { Empty, Note, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Facts, Head, Toolbar } from "../kit/Page";
import { More } from "../kit/Table";
import { Clock } from "../kit/Time";
import s from "./Audit.module.css";
import { byDay, changesOf, type Entry, isRefusal } from "./audit";
import { auditQuery, verifyQuery } from "./queries";
import type { AuditSearch } from "./search";

const route = getRouteApi("/audit");

/** Who administered what, and who was refused; and whether the log is whole. */
export function AuditPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const list = useInfiniteQuery(auditQuery(search));
  const [form, setForm] = useState(search);
  const set = (name: keyof AuditSearch) => (value: string) =>
    setForm((before) => ({ ...before, [name]: value || undefined }));
  const entries = list.data?.pages.flatMap((it) => it.data) ?? [];
  return (
    <>
      <Head title="Audit log" />
      <Body>
        <Whole />
        <form
          onSubmit={(event) => {
            event.preventDefault();
            navigate({ search: form, replace: true });
          }}
        >
          <Toolbar>
            <Search
              label="Who"
              placeholder="user:…, client:…"
              value={form.actor ?? ""}
              onChange={set("actor")}
            />
            <Search
              label="What was done"
              placeholder="agent, agent.update"
              value={form.action ?? ""}
              onChange={set("action")}
            />
            <Search
              label="To what"
              placeholder="Name or id"
              value={form.target ?? ""}
              onChange={set("target")}
            />
            <Button type="submit">Narrow</Button>
          </Toolbar>
        </form>
        {list.isPending && <Skeleton />}
        {list.isError && <ProblemNote error={list.error} retry={() => list.refetch()} />}
        {list.isSuccess && entries.length === 0 && (
          <Empty title="No entry fits">
            Entries are found by the whole name of who did it, by the kind of act, or by what it was done to.
          </Empty>
        )}
        {entries.length > 0 && (
          <div className={s.rail}>
            {byDay(entries).map(([day, inside]) => (
              <section key={day}>
                <h2 className={s.day}>{day}</h2>
                <ol aria-label={day}>
                  {inside.map((it) => (
                    <Row key={it.id} entry={it} />
                  ))}
                </ol>
              </section>
            ))}
          </div>
        )}
        {list.hasNextPage && (
          <More>
            <Button small busy={list.isFetchingNextPage && "Reading…"} onClick={() => list.fetchNextPage()}>
              Older
            </Button>
          </More>
        )}
      </Body>
    </>
  );
}

/** Whether each entry is as it was written. */
function Whole() {
  const check = useQuery(verifyQuery);
  const again = (
    <Button small busy={check.isFetching && "Checking…"} onClick={() => check.refetch()}>
      Check again
    </Button>
  );
  if (check.isError) return <ProblemNote error={check.error} retry={() => check.refetch()} />;
  if (!check.data) {
    // As much as will stand here: what is below does not move.
    return (
      <Note title="The log is being checked…" action={again}>
        Its entries form a chain of hashes.
      </Note>
    );
  }
  const { entries, broken } = check.data;
  if (broken) {
    return (
      <Note look="bad" title="The log is not as it was written" action={again}>
        <Json value={broken} />
      </Note>
    );
  }
  return (
    <Note look="ok" title="Nothing was changed or removed" action={again}>
      {count(entries)} entries form one chain of hashes.
    </Note>
  );
}

function Row({ entry }: { entry: Entry }) {
  const changes = changesOf(entry);
  return (
    <li className={s.ev}>
      <span className={s.seq}>{entry.seq}</span>
      <span className={s.knot}>
        <i data-refused={isRefusal(entry) || undefined} />
      </span>
      <details>
        <summary>
          <span className="dim tnum nowrap">
            <Clock at={entry.at} />
          </span>
          <b className="strong nowrap" title={entry.actor}>
            {shortId(entry.actor.replace(/^\w+:/, ""))}
          </b>
          <code className={`nowrap ${isRefusal(entry) ? "badtxt" : ""}`}>{entry.action}</code>
          <span className="cut" dir="auto">
            {entry.target}
          </span>
        </summary>
        <div>
          <Facts
            facts={[
              [
                "Who",
                <code key="w" className="small">
                  {entry.actor}
                </code>,
              ],
              ["By the client", entry.client_id],
              ["From", entry.ip],
              [
                "Request",
                entry.request_id && (
                  <code key="r" className="small">
                    {entry.request_id}
                  </code>
                ),
              ],
              [
                "Hash",
                <code key="h" className="small">
                  {entry.hash}
                </code>,
              ],
            ]}
          />
          {changes.map((it) => (
            <div key={it.name} className="stack">
              {it.before !== undefined && <Code title={`${it.name}, before`} text={textOf(it.before)} />}
              {it.after !== undefined && (
                <Code
                  title={it.before === undefined ? it.name : `${it.name}, after`}
                  text={textOf(it.after)}
                />
              )}
            </div>
          ))}
        </div>
      </details>
    </li>
  );
}

const textOf = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
