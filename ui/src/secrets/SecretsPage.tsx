import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../api/client";
import { useMay } from "../api/me";
import { Failure, failureOf } from "../api/problem";
import type { components } from "../api/schema";
import { Button } from "../kit/Button";
import { FaultsOf, PickField, TextField } from "../kit/Field";
import { plural } from "../kit/format";
import { Icon } from "../kit/Icon";
import { Tag } from "../kit/Marks";
import { Dialog, Empty, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Head } from "../kit/Page";
import { type Column, More, Table } from "../kit/Table";
import { Time } from "../kit/Time";
import { useToast } from "../kit/Toasts";

type Secret = components["schemas"]["Secret"];
type Open = { what: "new" } | { what: "change" | "delete"; secret: Secret } | null;

const KEY = ["secrets"];

/** Values that tools send and nobody reads: kept sealed, for their hosts only. */
export function SecretsPage() {
  const mayWrite = useMay("secret.write");
  const [open, setOpen] = useState<Open>(null);
  const list = useInfiniteQuery({
    queryKey: KEY,
    queryFn: ({ pageParam: cursor }) =>
      answer(api.GET("/secrets", { params: { query: { limit: 100, cursor } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const rows = list.data?.pages.flatMap((it) => it.data) ?? [];
  const make = mayWrite && (
    <Button look="primary" icon="plus" onClick={() => setOpen({ what: "new" })}>
      New secret…
    </Button>
  );
  return (
    <>
      <Head
        title="Secrets"
        actions={rows.length > 0 && make}
        lede="Tools write {{secrets.name}}; the server fills it in as it sends, and only to the secret's own hosts."
      />
      <Body>
        {list.isPending && <Skeleton rows={4} />}
        {list.isError && <ProblemNote error={list.error} retry={() => list.refetch()} />}
        {list.isSuccess && rows.length === 0 && (
          <Empty title="No secrets yet" action={make}>
            A key for an API that your tools call. Its value is never shown again, not even to a model.
          </Empty>
        )}
        {rows.length > 0 && (
          <div>
            <Table
              label="Secrets"
              columns={columns(mayWrite, setOpen)}
              rows={rows}
              rowKey={(it) => it.name}
            />
            <More>
              {plural(rows.length, "secret")}
              {list.hasNextPage && (
                <Button small onClick={() => list.fetchNextPage()}>
                  More
                </Button>
              )}
            </More>
          </div>
        )}
      </Body>
      {open?.what === "new" && <Write secret={null} onClose={() => setOpen(null)} />}
      {open?.what === "change" && <Write secret={open.secret} onClose={() => setOpen(null)} />}
      {open?.what === "delete" && <Delete secret={open.secret} onClose={() => setOpen(null)} />}
    </>
  );
}

const columns = (mayWrite: boolean, setOpen: (open: Open) => void): Column<Secret>[] => [
  {
    head: "Secret",
    narrow: "title",
    wide: "36%",
    cell: (it) => (
      <span className="row">
        <Icon name="lock" />
        <span className="cut">
          <b className="strong">{it.name}</b>{" "}
          <span className="dim" dir="auto">
            {it.description}
          </span>
        </span>
        {it.problems.length > 0 && <Tag look="bad">{it.problems[0]?.detail}</Tag>}
      </span>
    ),
  },
  { head: "Hosts", narrow: "line", cell: (it) => <span className="mono small">{it.hosts.join(", ")}</span> },
  {
    head: "Used by",
    cell: (it) => <span className="dim">{it.used_by.map((user) => user.name).join(", ") || "nothing"}</span>,
  },
  { head: "Values", end: true, cell: (it) => it.version },
  { head: "Last sent", end: true, cell: (it) => (it.last_used_at ? <Time at={it.last_used_at} /> : "never") },
  {
    head: "Verbs",
    end: true,
    narrow: "end",
    cell: (it) =>
      mayWrite && (
        <span className="row" style={{ justifyContent: "end" }}>
          <Button
            small
            aria-label={`Change ${it.name}`}
            onClick={() => setOpen({ what: "change", secret: it })}
          >
            Change…
          </Button>
          <Button
            small
            look="quiet"
            icon="trash-2"
            aria-label={`Delete ${it.name}…`}
            onClick={() => setOpen({ what: "delete", secret: it })}
          />
        </span>
      ),
  },
];

/** A new secret, or another value or other hosts for one that is there. */
function Write({ secret, onClose }: { secret: Secret | null; onClose: () => void }) {
  const queries = useQueryClient();
  const say = useToast();
  const [name, setName] = useState(secret?.name ?? "");
  const [value, setValue] = useState("");
  const [hosts, setHosts] = useState<string[]>(secret?.hosts ?? []);
  const [description, setDescription] = useState(secret?.description ?? "");
  const write = useMutation({
    mutationFn: () =>
      secret
        ? answer(
            api.PUT("/secrets/{name}", {
              params: { path: { name: secret.name } },
              body: { hosts, description, ...(value && { value }) },
            }),
          )
        : answer(api.POST("/secrets", { body: { name: name.trim(), value, hosts, description } })),
    onSuccess: (it) => {
      queries.invalidateQueries({ queryKey: KEY });
      say(secret && value ? `${it.name} has its value number ${it.version}` : `Saved ${it.name}`);
      onClose();
    },
  });
  return (
    <FaultsOf value={write.isError ? failureOf(write.error).faults : []}>
      <Dialog
        title={secret ? `Change ${secret.name}` : "New secret"}
        onClose={onClose}
        onSubmit={() => write.mutate()}
        footer={
          <>
            <Button onClick={onClose}>Close</Button>
            <Button type="submit" look="primary" busy={write.isPending && "Saving…"}>
              Save secret
            </Button>
          </>
        }
      >
        {write.isError && (
          <ProblemNote error={write.error} known={["/name", "/value", "/hosts", "/description"]} />
        )}
        {!secret && (
          <TextField
            label="Name"
            mono
            required
            pointer="/name"
            hint="Tools write {{secrets.name}}."
            value={name}
            onChange={setName}
          />
        )}
        <TextField
          label={secret ? "Next value" : "Value"}
          optional={secret !== null}
          required={secret === null}
          type="password"
          autoComplete="new-password"
          pointer="/value"
          hint={secret ? "Empty keeps the one that it has." : "It is sealed, and never shown again."}
          value={value}
          onChange={setValue}
        />
        <PickField
          label="Hosts"
          open
          options={[]}
          pointer="/hosts"
          hint="Where it may be sent, such as api.stripe.com."
          value={hosts}
          onChange={setHosts}
        />
        <TextField
          label="Description"
          optional
          pointer="/description"
          value={description}
          onChange={setDescription}
        />
      </Dialog>
    </FaultsOf>
  );
}

function Delete({ secret, onClose }: { secret: Secret; onClose: () => void }) {
  const queries = useQueryClient();
  const say = useToast();
  const remove = useMutation({
    mutationFn: (force: boolean) =>
      api.DELETE("/secrets/{name}", {
        params: { path: { name: secret.name }, query: force ? { force } : {} },
      }),
    onSuccess: () => {
      queries.invalidateQueries({ queryKey: KEY });
      say(`Deleted ${secret.name}`);
      onClose();
    },
  });
  const isInUse = remove.error instanceof Failure && remove.error.slug === "secret-in-use";
  return (
    <Dialog
      title={`Delete ${secret.name}?`}
      onClose={onClose}
      onSubmit={() => remove.mutate(isInUse)}
      footer={
        <>
          <Button onClick={onClose}>Keep it</Button>
          <Button type="submit" look="destroy" busy={remove.isPending && "Deleting…"}>
            {isInUse ? "Delete it all the same" : "Delete secret"}
          </Button>
        </>
      }
    >
      <p className="sub">
        {secret.used_by.length > 0
          ? `${secret.used_by.map((it) => it.name).join(", ")} cannot send it any more.`
          : "Nothing names it."}{" "}
        Its value cannot be brought back.
      </p>
      {remove.isError && <ProblemNote error={remove.error} />}
    </Dialog>
  );
}
