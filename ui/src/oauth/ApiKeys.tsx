import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "../api/me";
import { Button } from "../kit/Button";
import { TextField } from "../kit/Field";
import { FormDialog } from "../kit/FormDialog";
import { ProblemNote } from "../kit/Messages";
import { PickField } from "../kit/PickField";
import { type Column, Table } from "../kit/Table";
import { Time } from "../kit/Time";
import { Once } from "../parts/Once";
import { useAct } from "../parts/useAct";
import { type ApiKey, type Client, deleteApiKey, keysOfClientQuery, makeApiKey } from "./queries";
import { words } from "./scopes";

/** Credentials for programs that can hold one string only. */
export function ApiKeys({ client }: { client: Client }) {
  const mayWrite = useMay("client.write");
  const queries = useQueryClient();
  const [isMaking, setMaking] = useState(false);
  const [made, setMade] = useState<{ name: string; key: string } | null>(null);
  const keys = useQuery(keysOfClientQuery(client.client_id));
  const again = () => queries.invalidateQueries({ queryKey: keysOfClientQuery(client.client_id).queryKey });
  const remove = useAct((it: ApiKey) => deleteApiKey(client.client_id, it.id), {
    keys: ["oauth"],
    said: (_, it) => `The key ${it.name} is void`,
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
      unseen: true,
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
    mutationFn: () => makeApiKey(client.client_id, name.trim(), scopes.join(" ")),
    onSuccess: (it) => onMade(it as unknown as { name: string; key: string }),
  });
  return (
    <FormDialog
      title="New API key"
      verb="Make key"
      doing="Making…"
      of={make}
      onSubmit={() => make.mutate()}
      onClose={onClose}
      known={["/name", "/scope"]}
    >
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
    </FormDialog>
  );
}
