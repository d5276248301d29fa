import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api } from "../api/client";
import { useMay, useMe } from "../api/me";
import { failureOf } from "../api/problem";
import type { components } from "../api/schema";
import { Button, buttonClass, Copy } from "../kit/Button";
import { FaultsOf, formClass, PickField, SelectField, TextField } from "../kit/Field";
import { Dialog, Note, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Facts, Head } from "../kit/Page";
import { type Column, Table } from "../kit/Table";
import { Time } from "../kit/Time";
import { useToast } from "../kit/Toasts";
import { Once } from "../parts/Once";
import { CLIENTS, type Client, ClientState } from "./ClientsPage";
import { words } from "./scopes";

type ApiKey = components["schemas"]["ApiKey"];

const route = getRouteApi("/clients/$id");
const CRUMBS = [{ label: "Clients", to: "/clients" }] as const;
const path = (client_id: string) => ({ path: { client_id } });

export function ClientPage() {
  const { id } = route.useParams();
  const { data, error, refetch } = useQuery({
    queryKey: [...CLIENTS, id],
    queryFn: () => answer(api.GET("/oauth/clients/{client_id}", { params: path(id) })),
  });
  if (!data) {
    return (
      <>
        <Head title="Client" crumbs={CRUMBS} />
        <Body>{error ? <ProblemNote error={error} retry={refetch} /> : <Skeleton />}</Body>
      </>
    );
  }
  return (
    <>
      <Head
        title={data.client_name || data.client_id}
        crumbs={CRUMBS}
        beside={<ClientState client={data} />}
        actions={<Verbs client={data} />}
      />
      <Body>
        {data.problems.map((it) => (
          <Note key={it.pointer} look="bad" title={it.detail} />
        ))}
        <Facts
          facts={[
            [
              "Client id",
              <span key="id" className="row">
                <code>{data.client_id}</code> <Copy text={data.client_id} what="client id" />
              </span>,
            ],
            ["Grants", data.grant_types.join(", ").replaceAll("_", " ")],
            [
              "Proves itself by",
              data.token_endpoint_auth_method ?? "something that this version does not know",
            ],
            ["Redirects to", data.redirect_uris.join(", ")],
            ["Registered by", data.registered_by],
            ["Last token", data.last_used_at ? <Time key="l" at={data.last_used_at} /> : "never"],
          ]}
        />
        <Scopes client={data} />
        <ApiKeys client={data} />
      </Body>
    </>
  );
}

function useAgain() {
  const queries = useQueryClient();
  return () => queries.invalidateQueries({ queryKey: CLIENTS });
}

function Scopes({ client }: { client: Client }) {
  const mayWrite = useMay("client.write");
  const { scopes: held } = useMe();
  const again = useAgain();
  const say = useToast();
  const [name, setName] = useState(client.client_name);
  const [scopes, setScopes] = useState(words(client.scope));
  const change = useMutation({
    mutationFn: () =>
      answer(
        api.PATCH("/oauth/clients/{client_id}", {
          params: path(client.client_id),
          body: { client_name: name, scope: scopes.join(" ") },
        }),
      ),
    onSuccess: () => {
      again();
      say("Saved; it holds for tokens that are out, too");
    },
  });
  const isChanged = name !== client.client_name || scopes.join(" ") !== words(client.scope).join(" ");
  return (
    <FaultsOf value={change.isError ? failureOf(change.error).faults : []}>
      <form
        className={formClass}
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate();
        }}
      >
        {change.isError && <ProblemNote error={change.error} known={["/client_name", "/scope"]} />}
        <TextField label="Name" pointer="/client_name" readOnly={!mayWrite} value={name} onChange={setName} />
        <PickField
          label="Scopes"
          open
          options={held}
          pointer="/scope"
          value={scopes}
          onChange={mayWrite ? setScopes : () => {}}
        />
        {mayWrite && (
          <p>
            <Button type="submit" look="primary" disabled={!isChanged} busy={change.isPending && "Saving…"}>
              Save client
            </Button>
          </p>
        )}
      </form>
    </FaultsOf>
  );
}

const OVERLAPS = [
  ["86400", "one day"],
  ["604800", "one week"],
  ["0", "no time: it is out"],
] as const;

function Verbs({ client }: { client: Client }) {
  const mayWrite = useMay("client.write");
  const again = useAgain();
  const navigate = route.useNavigate();
  const say = useToast();
  const [open, setOpen] = useState<"rotate" | "delete" | null>(null);
  const [overlap, setOverlap] = useState<string>("86400");
  const turn = useMutation({
    mutationFn: () =>
      answer(
        api.PATCH("/oauth/clients/{client_id}", {
          params: path(client.client_id),
          body: { is_active: !client.is_active },
        }),
      ),
    onSuccess: (it) => {
      again();
      say(it.is_active ? "It gets tokens again" : "It gets no tokens, and those that are out are void");
    },
  });
  const rotate = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/oauth/clients/{client_id}/secret", {
          params: path(client.client_id),
          body: { overlap_seconds: Number(overlap) },
        }),
      ),
    onSuccess: () => setOpen(null),
  });
  const remove = useMutation({
    mutationFn: () => api.DELETE("/oauth/clients/{client_id}", { params: path(client.client_id) }),
    onSuccess: () => {
      again();
      say(`Deleted ${client.client_name || client.client_id}`);
      navigate({ to: "/clients" });
    },
  });
  if (!mayWrite) return null;
  const hasSecret = client.token_endpoint_auth_method?.startsWith("client_secret");
  return (
    <>
      <Link to="/clients/try" search={{ client: client.client_id }} className={buttonClass()}>
        Be this client
      </Link>
      {hasSecret && <Button onClick={() => setOpen("rotate")}>Rotate secret…</Button>}
      <Button busy={turn.isPending && "Changing…"} onClick={() => turn.mutate()}>
        {client.is_active ? "Deactivate" : "Activate"}
      </Button>
      <Button look="danger" icon="trash-2" aria-label="Delete client…" onClick={() => setOpen("delete")} />
      {open === "rotate" && (
        <Dialog
          title="Give it another secret?"
          onClose={() => setOpen(null)}
          onSubmit={() => rotate.mutate()}
          footer={
            <>
              <Button onClick={() => setOpen(null)}>Close</Button>
              <Button type="submit" look="primary" busy={rotate.isPending && "Making…"}>
                Make secret
              </Button>
            </>
          }
        >
          <SelectField
            label="The secret before stays good for"
            options={OVERLAPS}
            value={overlap}
            onChange={setOverlap}
          />
          {rotate.isError && <ProblemNote error={rotate.error} />}
        </Dialog>
      )}
      {rotate.data && (
        <Once
          title="The next secret"
          beside={[["Client id", client.client_id]]}
          label="Client secret"
          secret={rotate.data.client_secret}
          onClose={() => rotate.reset()}
        />
      )}
      {open === "delete" && (
        <Dialog
          title={`Delete ${client.client_name || client.client_id}?`}
          onClose={() => setOpen(null)}
          onSubmit={() => remove.mutate()}
          footer={
            <>
              <Button onClick={() => setOpen(null)}>Keep it</Button>
              <Button type="submit" look="destroy" busy={remove.isPending && "Deleting…"}>
                Delete client
              </Button>
            </>
          }
        >
          <p className="sub">Its tokens and API keys are void at once. Its runs stay.</p>
          {remove.isError && <ProblemNote error={remove.error} />}
        </Dialog>
      )}
    </>
  );
}

function ApiKeys({ client }: { client: Client }) {
  const mayWrite = useMay("client.write");
  const queries = useQueryClient();
  const say = useToast();
  const [isMaking, setMaking] = useState(false);
  const [made, setMade] = useState<{ name: string; key: string } | null>(null);
  const queryKey = [...CLIENTS, client.client_id, "keys"];
  const keys = useQuery({
    queryKey,
    queryFn: () => answer(api.GET("/oauth/clients/{client_id}/keys", { params: path(client.client_id) })),
  });
  const again = () => queries.invalidateQueries({ queryKey });
  const remove = useMutation({
    mutationFn: (it: ApiKey) =>
      api.DELETE("/oauth/clients/{client_id}/keys/{id}", {
        params: { path: { client_id: client.client_id, id: it.id } },
      }),
    onSuccess: (_, it) => {
      again();
      say(`The key ${it.name} is void`);
    },
  });
  const columns: Column<ApiKey>[] = [
    { head: "Key", narrow: "title", cell: (it) => <b className="strong">{it.name}</b> },
    {
      head: "Scopes",
      wide: "40%",
      narrow: "line",
      cell: (it) => <span className="mono small">{it.scope}</span>,
    },
    {
      head: "Last used",
      end: true,
      cell: (it) => (it.last_used_at ? <Time at={it.last_used_at} /> : "never"),
    },
    { head: "Ends", end: true, cell: (it) => (it.expires_at ? <Time at={it.expires_at} /> : "never") },
    {
      head: "Verbs",
      end: true,
      narrow: "end",
      cell: (it) =>
        mayWrite && (
          <Button
            small
            look="quiet"
            icon="trash-2"
            aria-label={`Delete the key ${it.name}`}
            onClick={() => remove.mutate(it)}
          />
        ),
    },
  ];
  const rows = keys.data?.data ?? [];
  return (
    <section>
      <div className="row" style={{ marginBottom: 10 }}>
        <h2>API keys</h2>
        {mayWrite && (
          <span className="end">
            <Button icon="plus" onClick={() => setMaking(true)}>
              New key…
            </Button>
          </span>
        )}
      </div>
      {keys.isError && <ProblemNote error={keys.error} />}
      {remove.isError && <ProblemNote error={remove.error} />}
      {rows.length > 0 ? (
        <Table label="API keys" columns={columns} rows={rows} rowKey={(it) => it.id} />
      ) : (
        <p className="sub">
          For programs that can hold one string only: a key is a bearer credential with some of the client's
          scopes.
        </p>
      )}
      {isMaking && (
        <NewKey
          client={client}
          onClose={() => setMaking(false)}
          onMade={(it) => {
            setMaking(false);
            setMade(it);
            again();
          }}
        />
      )}
      {made && (
        <Once
          title={`The key ${made.name}`}
          beside={[["Client", client.client_name || client.client_id]]}
          label="API key"
          secret={made.key}
          onClose={() => setMade(null)}
        />
      )}
    </section>
  );
}

function NewKey({
  client,
  onClose,
  onMade,
}: {
  client: Client;
  onClose: () => void;
  onMade: (it: { name: string; key: string }) => void;
}) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState(words(client.scope));
  const make = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/oauth/clients/{client_id}/keys", {
          params: path(client.client_id),
          body: { name: name.trim(), scope: scopes.join(" ") },
        }),
      ),
    onSuccess: (it) => onMade(it as unknown as { name: string; key: string }),
  });
  return (
    <FaultsOf value={make.isError ? failureOf(make.error).faults : []}>
      <Dialog
        title="New API key"
        onClose={onClose}
        onSubmit={() => make.mutate()}
        footer={
          <>
            <Button onClick={onClose}>Close</Button>
            <Button type="submit" look="primary" busy={make.isPending && "Making…"}>
              Make key
            </Button>
          </>
        }
      >
        {make.isError && <ProblemNote error={make.error} known={["/name", "/scope"]} />}
        <TextField
          label="Name"
          required
          pointer="/name"
          hint="Where it is used."
          value={name}
          onChange={setName}
        />
        <PickField
          label="Scopes"
          options={words(client.scope)}
          pointer="/scope"
          value={scopes}
          onChange={setScopes}
        />
      </Dialog>
    </FaultsOf>
  );
}
