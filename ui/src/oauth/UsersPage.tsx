import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api } from "../api/client";
import { useMay } from "../api/me";
import { failureOf } from "../api/problem";
import type { components } from "../api/schema";
import { Button } from "../kit/Button";
import { Check, FaultsOf, SelectField, TextField } from "../kit/Field";
import { plural, shortId } from "../kit/format";
import { Avatar, Tag } from "../kit/Marks";
import { Dialog, Empty, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Head, Tabs } from "../kit/Page";
import { type Column, More, Table } from "../kit/Table";
import { Time } from "../kit/Time";
import { useToast } from "../kit/Toasts";

type Schemas = components["schemas"];
type User = Schemas["User"];
type Session = Schemas["Session"];
type Grant = Schemas["Grant"];

const route = getRouteApi("/users");
const USERS = ["users"];
const ROLES = [
  ["owner", "owner: everything"],
  ["admin", "admin: everything but keys and settings"],
  ["editor", "editor: makes agents, tools and databases"],
  ["operator", "operator: has agents work, decides"],
  ["viewer", "viewer: sees what is there"],
] as const;

interface Listed<T> {
  data: T[];
  next_cursor?: string | null;
}

function useList<T>(name: string, read: (cursor: string | undefined) => Promise<Listed<T>>) {
  return useInfiniteQuery({
    queryKey: [...USERS, name],
    queryFn: ({ pageParam }) => read(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: Listed<T>) => page.next_cursor ?? undefined,
  });
}

/** People who may sign in, where they are, and what they let programs do for them. */
export function UsersPage() {
  const { tab = "users" } = route.useSearch();
  const mayWrite = useMay("user.write");
  const [isMaking, setMaking] = useState(false);
  return (
    <>
      <Head
        title="Users"
        actions={
          mayWrite && (
            <Button look="primary" icon="plus" onClick={() => setMaking(true)}>
              New user…
            </Button>
          )
        }
      />
      <Tabs
        label="Users"
        current={tab}
        tabs={[
          { id: "users", label: "Users" },
          { id: "sessions", label: "Sessions" },
          { id: "grants", label: "Grants" },
        ]}
      />
      <Body>
        {tab === "users" && <Users mayWrite={mayWrite} />}
        {tab === "sessions" && <Sessions mayWrite={mayWrite} />}
        {tab === "grants" && <Grants mayWrite={mayWrite} />}
      </Body>
      {isMaking && <Write user={null} onClose={() => setMaking(false)} />}
    </>
  );
}

interface RowsProps<T> {
  label: string;
  what: string;
  list: ReturnType<typeof useList<T>>;
  columns: Column<T>[];
  rowKey: (it: T) => string;
  empty: string;
}

function Rows<T>({ label, what, list, columns, rowKey, empty }: RowsProps<T>) {
  const rows = list.data?.pages.flatMap((it) => it.data) ?? [];
  if (list.isPending) return <Skeleton rows={4} />;
  if (list.isError) return <ProblemNote error={list.error} retry={() => list.refetch()} />;
  if (rows.length === 0) return <Empty title={`No ${what}s`}>{empty}</Empty>;
  return (
    <div>
      <Table label={label} columns={columns} rows={rows} rowKey={rowKey} />
      <More>
        {plural(rows.length, what)}
        {list.hasNextPage && (
          <Button small onClick={() => list.fetchNextPage()}>
            More
          </Button>
        )}
      </More>
    </div>
  );
}

function Users({ mayWrite }: { mayWrite: boolean }) {
  const [changing, setChanging] = useState<User | null>(null);
  const list = useList<User>("list", (cursor) =>
    answer(api.GET("/users", { params: { query: { limit: 100, cursor } } })),
  );
  const columns: Column<User>[] = [
    {
      head: "User",
      narrow: "title",
      wide: "36%",
      cell: (it) => (
        <span className="row">
          <Avatar name={it.display_name || it.username} />
          <span className="cut">
            <b className="strong">
              <bdi>{it.display_name || it.username}</bdi>
            </b>{" "}
            <span className="dim">{it.display_name && it.username}</span>
          </span>
        </span>
      ),
    },
    { head: "Role", narrow: "line", cell: (it) => it.role ?? "unknown" },
    {
      head: "State",
      narrow: "end",
      cell: (it) => (it.is_active ? <Tag look="ok">active</Tag> : <Tag look="line">inactive</Tag>),
    },
    { head: "Also may", cell: (it) => <span className="mono small">{it.scope}</span> },
    {
      head: "Signed in",
      end: true,
      cell: (it) =>
        it.last_signed_in_at ? (
          <Time at={it.last_signed_in_at} />
        ) : it.has_password ? (
          "never"
        ) : (
          "has no password"
        ),
    },
    {
      head: "Verbs",
      end: true,
      cell: (it) =>
        mayWrite && (
          <Button small aria-label={`Change ${it.username}`} onClick={() => setChanging(it)}>
            Change…
          </Button>
        ),
    },
  ];
  return (
    <>
      <Rows
        label="Users"
        what="user"
        list={list}
        columns={columns}
        rowKey={(it) => it.id}
        empty="The management client of the settings can sign in. Make a user for each person: what he does stands in the audit log with his name."
      />
      {changing && <Write user={changing} onClose={() => setChanging(null)} />}
    </>
  );
}

/** Ends something at once, and says so. */
function useEnd<T>(end: (it: T) => Promise<unknown>, said: string) {
  const queries = useQueryClient();
  const say = useToast();
  return useMutation({
    mutationFn: end,
    onSuccess: () => {
      queries.invalidateQueries({ queryKey: USERS });
      say(said);
    },
  });
}

function Sessions({ mayWrite }: { mayWrite: boolean }) {
  const list = useList<Session>("sessions", (cursor) =>
    answer(api.GET("/sessions", { params: { query: { limit: 100, cursor } } })),
  );
  const end = useEnd<Session>(
    (it) => api.DELETE("/sessions/{id}", { params: { path: { id: it.id } } }),
    "The session is over, on all replicas",
  );
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
      <Rows
        label="Sessions"
        what="session"
        list={list}
        columns={columns}
        rowKey={(it) => it.id}
        empty="Nobody is signed in."
      />
    </>
  );
}

function Grants({ mayWrite }: { mayWrite: boolean }) {
  const list = useList<Grant>("grants", (cursor) =>
    answer(api.GET("/grants", { params: { query: { limit: 100, cursor } } })),
  );
  const end = useEnd<Grant>(
    (it) => api.DELETE("/grants/{id}", { params: { path: { id: it.id } } }),
    "It is taken back: all tokens of it are void",
  );
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
      <Rows
        label="Grants"
        what="grant"
        list={list}
        columns={columns}
        rowKey={(it) => it.id}
        empty="When a person lets a program act for him, that stands here, and can be taken back."
      />
    </>
  );
}

/** A new user, or what of one is to change. */
function Write({ user, onClose }: { user: User | null; onClose: () => void }) {
  const queries = useQueryClient();
  const say = useToast();
  const [form, setForm] = useState({
    username: user?.username ?? "",
    display_name: user?.display_name ?? "",
    role: user?.role ?? "operator",
    scope: user?.scope ?? "",
    password: "",
    is_active: user?.is_active ?? true,
  });
  const set = (name: keyof typeof form) => (value: string) =>
    setForm((before) => ({ ...before, [name]: value }));
  const write = useMutation({
    mutationFn: async () => {
      const { username, password, is_active, ...rest } = form;
      if (!user)
        return answer(
          api.POST("/users", { body: { username: username.trim(), ...rest, ...(password && { password }) } }),
        );
      const params = { path: { id: user.id } };
      const changed = await answer(api.PUT("/users/{id}", { params, body: { ...rest, is_active } }));
      if (password) await api.PUT("/users/{id}/password", { params, body: { password } });
      return changed;
    },
    onSuccess: (it) => {
      queries.invalidateQueries({ queryKey: USERS });
      say(user ? `Changed ${it.username}; it holds at once` : `${it.username} can sign in`);
      onClose();
    },
  });
  const remove = useMutation({
    mutationFn: () => api.DELETE("/users/{id}", { params: { path: { id: user?.id ?? "" } } }),
    onSuccess: () => {
      queries.invalidateQueries({ queryKey: USERS });
      say(`Deleted ${user?.username}`);
      onClose();
    },
  });
  const error = write.error ?? remove.error;
  return (
    <FaultsOf value={error ? failureOf(error).faults : []}>
      <Dialog
        title={user ? `Change ${user.username}` : "New user"}
        onClose={onClose}
        onSubmit={() => write.mutate()}
        footer={
          <>
            {user && (
              <span style={{ marginRight: "auto" }}>
                <Button look="danger" busy={remove.isPending && "Deleting…"} onClick={() => remove.mutate()}>
                  Delete user
                </Button>
              </span>
            )}
            <Button onClick={onClose}>Close</Button>
            <Button type="submit" look="primary" busy={write.isPending && "Saving…"}>
              Save user
            </Button>
          </>
        }
      >
        {error && (
          <ProblemNote error={error} known={["/username", "/display_name", "/role", "/scope", "/password"]} />
        )}
        {!user && (
          <TextField
            label="User name"
            required
            pointer="/username"
            hint="What is typed to sign in."
            value={form.username}
            onChange={set("username")}
          />
        )}
        <TextField
          label="Display name"
          optional
          pointer="/display_name"
          value={form.display_name}
          onChange={set("display_name")}
        />
        <SelectField label="Role" pointer="/role" options={ROLES} value={form.role} onChange={set("role")} />
        <TextField
          label="Further scopes"
          optional
          mono
          pointer="/scope"
          hint="With spaces between, such as those of your own."
          value={form.scope}
          onChange={set("scope")}
        />
        <TextField
          label={user ? "Another password" : "Password"}
          optional
          type="password"
          autoComplete="new-password"
          pointer="/password"
          hint={
            user
              ? "Empty keeps the one that there is. With another, he is signed out everywhere."
              : "12 characters or more. Without one he cannot sign in yet."
          }
          value={form.password}
          onChange={set("password")}
        />
        {user && (
          <Check
            label="Active"
            hint="Who is inactive cannot sign in, and what acts for him is void."
            checked={form.is_active}
            onChange={(is_active) => setForm((before) => ({ ...before, is_active }))}
          />
        )}
      </Dialog>
    </FaultsOf>
  );
}
