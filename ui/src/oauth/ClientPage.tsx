import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { useMay, useMe } from "../api/me";
import { failureOf } from "../api/problem";
import { Button, Copy } from "../kit/Button";
import { FaultsOf, formClass, TextField } from "../kit/Field";
import { Note, ProblemNote } from "../kit/Messages";
import { Body, Facts, Head } from "../kit/Page";
import { PickField } from "../kit/PickField";
import { Time } from "../kit/Time";
import { unread } from "../parts/Unread";
import { useAct } from "../parts/useAct";
import { ApiKeys } from "./ApiKeys";
import { ClientState } from "./ClientsPage";
import { ClientVerbs } from "./ClientVerbs";
import { type Client, changeClient, clientQuery } from "./queries";
import { words } from "./scopes";

const route = getRouteApi("/clients/$id");
const CRUMBS = [{ label: "Clients", to: "/clients" }] as const;

export function ClientPage() {
  const { id } = route.useParams();
  const { data, error, refetch } = useQuery(clientQuery(id));
  if (!data) return unread({ title: "Client", crumbs: CRUMBS, error, retry: refetch });
  return (
    <>
      <Head
        title={data.client_name || data.client_id}
        crumbs={CRUMBS}
        beside={<ClientState client={data} />}
        actions={<ClientVerbs client={data} />}
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

function Scopes({ client }: { client: Client }) {
  const mayWrite = useMay("client.write");
  const { scopes: held } = useMe();
  const [name, setName] = useState(client.client_name);
  const [scopes, setScopes] = useState(words(client.scope));
  const change = useAct(
    () => changeClient(client.client_id, { client_name: name, scope: scopes.join(" ") }),
    { keys: ["oauth"], said: () => "Saved; it holds for tokens that are out, too" },
  );
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
