import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "../api/me";
import { listedPages } from "../api/pages";
import { Button } from "../kit/Button";
import { Listing } from "../kit/Listing";
import { Avatar, Tag } from "../kit/Marks";
import { Body, Head, Tabs } from "../kit/Page";
import type { Column } from "../kit/Table";
import { Time } from "../kit/Time";
import { type User, usersQuery } from "./queries";
import { Grants, Sessions } from "./SignedIn";
import { UserDialog } from "./UserDialog";

const route = getRouteApi("/users");
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
      {isMaking && <UserDialog user={null} onClose={() => setMaking(false)} />}
    </>
  );
}

function Users({ mayWrite }: { mayWrite: boolean }) {
  const [changing, setChanging] = useState<User | null>(null);
  const list = listedPages(useInfiniteQuery(usersQuery));
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
      unseen: true,
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
      <Listing
        noun="user"
        label="Users"
        list={list}
        columns={columns}
        rowKey={(it) => it.id}
        find={{ hint: "Name", of: (it) => ({ label: it.username, hint: it.display_name }) }}
        empty={{
          title: "No users",
          text: "The management client of the settings can sign in. Make a user for each person: what he does stands in the audit log with his name.",
        }}
      />
      {changing && <UserDialog user={changing} onClose={() => setChanging(null)} />}
    </>
  );
}
