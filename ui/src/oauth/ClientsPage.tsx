import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { answer, api } from "../api/client";
import { useMay, useMe } from "../api/me";
import type { components } from "../api/schema";
import { Button, buttonClass } from "../kit/Button";
import { PickField, SelectField, TextArea, TextField } from "../kit/Field";
import { plural, shortId } from "../kit/format";
import { Icon } from "../kit/Icon";
import { Tag } from "../kit/Marks";
import { Dialog, Empty, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Head } from "../kit/Page";
import { type Column, More, nameClass, Table } from "../kit/Table";
import { Time } from "../kit/Time";
import { Once } from "../parts/Once";
import { USUAL } from "./scopes";

export type Client = components["schemas"]["Client"];
type Made = components["schemas"]["ClientInformation"];

export const CLIENTS = ["oauth", "clients"];

/** Programs that may ask for tokens. */
export function ClientsPage() {
  const mayWrite = useMay("client.write");
  const [isMaking, setMaking] = useState(false);
  const [made, setMade] = useState<Made | null>(null);
  const list = useInfiniteQuery({
    queryKey: CLIENTS,
    queryFn: ({ pageParam: cursor }) =>
      answer(api.GET("/oauth/clients", { params: { query: { limit: 100, cursor } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const rows = list.data?.pages.flatMap((it) => it.data) ?? [];
  const make = mayWrite && (
    <Button look="primary" icon="plus" onClick={() => setMaking(true)}>
      Register a client…
    </Button>
  );
  return (
    <>
      <Head
        title="Clients"
        actions={
          rows.length > 0 && (
            <>
              <Link to="/clients/try" className={buttonClass()}>
                Be a client
              </Link>
              {make}
            </>
          )
        }
        lede="Programs that call this server. Each asks for its tokens with a secret, a key of its own, or on behalf of a person."
      />
      <Body>
        {list.isPending && <Skeleton />}
        {list.isError && <ProblemNote error={list.error} retry={() => list.refetch()} />}
        {list.isSuccess && rows.length === 0 && (
          <Empty title="No clients yet" action={make}>
            Register one for each program that calls. What it may do is its scopes; the management client of
            the settings is not listed.
          </Empty>
        )}
        {rows.length > 0 && (
          <div>
            <Table label="Clients" columns={COLUMNS} rows={rows} rowKey={(it) => it.client_id} />
            <More>
              {plural(rows.length, "client")}
              {list.hasNextPage && (
                <Button small onClick={() => list.fetchNextPage()}>
                  More
                </Button>
              )}
            </More>
          </div>
        )}
      </Body>
      {isMaking && (
        <Register
          onClose={() => setMaking(false)}
          onMade={(it) => {
            setMaking(false);
            setMade(it);
          }}
        />
      )}
      {made?.client_secret && (
        <Once
          title={`${made.client_name || "The client"} is registered`}
          beside={[["Client id", made.client_id]]}
          label="Client secret"
          secret={made.client_secret}
          onClose={() => setMade(null)}
        />
      )}
    </>
  );
}

const COLUMNS: Column<Client>[] = [
  {
    head: "Client",
    narrow: "title",
    wide: "30%",
    cell: (it) => (
      <span className="row">
        <Icon name="key-round" />
        <span className="cut">
          <Link className={nameClass ?? ""} to="/clients/$id" params={{ id: it.client_id }}>
            <bdi>{it.client_name || it.client_id}</bdi>
          </Link>{" "}
          <span className="id">{shortId(it.client_id)}</span>
        </span>
      </span>
    ),
  },
  { head: "State", narrow: "end", cell: (it) => <ClientState client={it} /> },
  {
    head: "Grants",
    cell: (it) => <span className="sub">{it.grant_types.join(", ").replaceAll("_", " ")}</span>,
  },
  {
    head: "Scopes",
    wide: "26%",
    narrow: "line",
    cell: (it) => (
      <span className="mono small cut" style={{ display: "block" }}>
        {it.scope}
      </span>
    ),
  },
  {
    head: "Last token",
    end: true,
    cell: (it) => (it.last_used_at ? <Time at={it.last_used_at} /> : "never"),
  },
];

export function ClientState({ client: it }: { client: Client }) {
  if (it.problems.length > 0) return <Tag look="bad">{plural(it.problems.length, "problem")}</Tag>;
  return it.is_active ? <Tag look="ok">active</Tag> : <Tag look="line">inactive</Tag>;
}

const FOR = [
  ["client_credentials", "itself: a server or a job"],
  ["authorization_code", "people who sign in: an app or an editor"],
] as const;

function Register({ onClose, onMade }: { onClose: () => void; onMade: (made: Made) => void }) {
  const queries = useQueryClient();
  const { scopes } = useMe();
  const [name, setName] = useState("");
  const [scope, setScope] = useState<string[]>(USUAL.filter((it) => scopes.includes(it)));
  const [grant, setGrant] = useState<string>("client_credentials");
  const [redirects, setRedirects] = useState("");
  const forPeople = grant === "authorization_code";
  const register = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/oauth/register", {
          body: {
            client_name: name.trim(),
            scope: scope.join(" "),
            grant_types: forPeople ? ["authorization_code", "refresh_token"] : [grant],
            ...(forPeople && {
              redirect_uris: redirects.split(/\s+/).filter(Boolean),
              token_endpoint_auth_method: "none",
            }),
          },
        }),
      ),
    onSuccess: (it) => {
      queries.invalidateQueries({ queryKey: CLIENTS });
      onMade(it);
    },
  });
  return (
    <Dialog
      title="Register a client"
      onClose={onClose}
      onSubmit={() => register.mutate()}
      footer={
        <>
          <Button onClick={onClose}>Close</Button>
          <Button type="submit" look="primary" busy={register.isPending && "Registering…"}>
            Register client
          </Button>
        </>
      }
    >
      {register.isError && <ProblemNote error={register.error} />}
      <TextField label="Name" required hint="For people: what it is." value={name} onChange={setName} />
      <SelectField label="It acts for" options={FOR} value={grant} onChange={setGrant} />
      {forPeople && (
        <TextArea
          label="Redirect URIs"
          required
          mono
          rows={2}
          hint="One a line. It keeps no secret, and proves itself by PKCE."
          value={redirects}
          onChange={setRedirects}
        />
      )}
      <PickField
        label="Scopes"
        open
        options={scopes}
        hint="All that its tokens can ever allow. You can give what you hold."
        value={scope}
        onChange={setScope}
      />
    </Dialog>
  );
}
