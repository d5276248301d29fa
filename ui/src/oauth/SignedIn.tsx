import { useInfiniteQuery } from "@tanstack/react-query";
import { listedPages } from "../api/pages";
import { Button } from "../kit/Button";
import { shortId } from "../kit/format";
import { Listing } from "../kit/Listing";
import { ProblemNote } from "../kit/Messages";
import type { Column } from "../kit/Table";
import { Time } from "../kit/Time";
import { useAct } from "../parts/useAct";
import { endGrant, endSession, type Grant, grantsQuery, type Session, sessionsQuery } from "./queries";

/** Where people are signed in. */
export function Sessions({ mayWrite }: { mayWrite: boolean }) {
  const list = listedPages(useInfiniteQuery(sessionsQuery));
  const end = useAct((it: Session) => endSession(it.id), {
    keys: ["users"],
    said: () => "The session is over, on all replicas",
  });
  const columns: Column<Session>[] = [
    {
      head: "Who",
      narrow: "title",
      cell: (it) => <code className="small">{shortId(it.subject.replace(/^\w+:/, ""))}</code>,
    },
    {
      head: "Browser",
      wide: "40%",
      narrow: "line",
      cell: (it) => (
        <span className="cut" style={{ display: "block" }}>
          {it.user_agent}
        </span>
      ),
    },
    { head: "From", cell: (it) => <span className="mono small">{it.address}</span> },
    { head: "Since", end: true, cell: (it) => <Time at={it.created_at} /> },
    { head: "Last seen", end: true, cell: (it) => <Time at={it.last_seen_at} /> },
    {
      head: "Verbs",
      unseen: true,
      end: true,
      narrow: "end",
      cell: (it) =>
        mayWrite && (
          <Button small onClick={() => end.mutate(it)}>
            End session
          </Button>
        ),
    },
  ];
  return (
    <>
      {end.isError && <ProblemNote error={end.error} />}
      <Listing
        noun="session"
        label="Sessions"
        list={list}
        columns={columns}
        rowKey={(it) => it.id}
        empty={{ title: "No sessions", text: "Nobody is signed in." }}
      />
    </>
  );
}

/** What people let programs do for them. */
export function Grants({ mayWrite }: { mayWrite: boolean }) {
  const list = listedPages(useInfiniteQuery(grantsQuery));
  const end = useAct((it: Grant) => endGrant(it.id), {
    keys: ["users"],
    said: () => "It is taken back: all tokens of it are void",
  });
  const columns: Column<Grant>[] = [
    { head: "Client", narrow: "title", cell: (it) => <code className="small">{shortId(it.client_id)}</code> },
    {
      head: "Acts for",
      cell: (it) => <code className="small">{shortId(it.subject.replace(/^\w+:/, ""))}</code>,
    },
    {
      head: "It may",
      wide: "40%",
      narrow: "line",
      cell: (it) => <span className="mono small">{it.scope}</span>,
    },
    { head: "Last used", end: true, cell: (it) => <Time at={it.last_used_at} /> },
    { head: "Ends", end: true, cell: (it) => <Time at={it.expires_at} /> },
    {
      head: "Verbs",
      unseen: true,
      end: true,
      narrow: "end",
      cell: (it) =>
        mayWrite && (
          <Button small onClick={() => end.mutate(it)}>
            Take back
          </Button>
        ),
    },
  ];
  return (
    <>
      {end.isError && <ProblemNote error={end.error} />}
      <Listing
        noun="grant"
        label="Grants"
        list={list}
        columns={columns}
        rowKey={(it) => it.id}
        empty={{
          title: "No grants",
          text: "When a person lets a program act for him, that stands here, and can be taken back.",
        }}
      />
    </>
  );
}
