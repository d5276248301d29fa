import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useMay, useMe } from "../api/me";
import { isEmpty, listedPages } from "../api/pages";
import { Button, buttonClass } from "../kit/Button";
import { SelectField, TextArea, TextField } from "../kit/Field";
import { FormDialog } from "../kit/FormDialog";
import { plural, shortId } from "../kit/format";
import { Icon } from "../kit/Icon";
import { Listing } from "../kit/Listing";
import { Tag } from "../kit/Marks";
import { NameCell } from "../kit/NameCell";
import { Body, Head } from "../kit/Page";
import { PickField } from "../kit/PickField";
import type { Column } from "../kit/Table";
import { Time } from "../kit/Time";
import { Once } from "../parts/Once";
import { useAct } from "../parts/useAct";
import { type Client, clientsQuery, type MadeClient, registerClient } from "./queries";
import { USUAL } from "./scopes";

/** Programs that may ask for tokens. */
export function ClientsPage() {
  const mayWrite = useMay("client.write");
  const [isMaking, setMaking] = useState(false);
  const [made, setMade] = useState<MadeClient | null>(null);
  const list = listedPages(useInfiniteQuery(clientsQuery));
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
          !isEmpty(list) && (
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
        <Listing
          noun="client"
          label="Clients"
          list={list}
          columns={COLUMNS}
          rowKey={(it) => it.client_id}
          find={{ hint: "Name or id", of: (it) => ({ label: it.client_name, hint: it.client_id }) }}
          empty={{
            title: "No clients yet",
            text: "Register one for each program that calls. What it may do is its scopes; the management client of the settings is not listed.",
            action: make,
          }}
        />
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
      <NameCell
        mark={<Icon name="key-round" />}
        to="/clients/$id"
        params={{ id: it.client_id }}
        name={it.client_name || it.client_id}
        about={<span className="id">{shortId(it.client_id)}</span>}
      />
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

function Register({ onClose, onMade }: { onClose: () => void; onMade: (made: MadeClient) => void }) {
  const { scopes } = useMe();
  const [name, setName] = useState("");
  const [scope, setScope] = useState<string[]>(USUAL.filter((it) => scopes.includes(it)));
  const [grant, setGrant] = useState<string>("client_credentials");
  const [redirects, setRedirects] = useState("");
  const forPeople = grant === "authorization_code";
  const register = useAct(
    () =>
      registerClient({
        client_name: name.trim(),
        scope: scope.join(" "),
        grant_types: forPeople ? ["authorization_code", "refresh_token"] : [grant],
        ...(forPeople && {
          redirect_uris: redirects.split(/\s+/).filter(Boolean),
          token_endpoint_auth_method: "none",
        }),
      }),
    { keys: ["oauth"], after: onMade },
  );
  return (
    <FormDialog
      title="Register a client"
      verb="Register client"
      doing="Registering…"
      of={register}
      onSubmit={() => register.mutate()}
      onClose={onClose}
    >
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
    </FormDialog>
  );
}
