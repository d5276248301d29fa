import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "../api/me";
import { isEmpty, listedPages } from "../api/pages";
import { Button } from "../kit/Button";
import { TextField } from "../kit/Field";
import { FormDialog } from "../kit/FormDialog";
import { Icon } from "../kit/Icon";
import { Listing } from "../kit/Listing";
import { Tag } from "../kit/Marks";
import { Body, Head } from "../kit/Page";
import { PickField } from "../kit/PickField";
import type { Column } from "../kit/Table";
import { Time } from "../kit/Time";
import { Deletion } from "../parts/Deletion";
import { useAct } from "../parts/useAct";
import { changeSecret, createSecret, deleteSecret, type Secret, secretsQuery } from "./queries";

type Open = { what: "new" } | { what: "change" | "delete"; secret: Secret } | null;

/** Values that tools send and nobody reads: kept sealed, for their hosts only. */
export function SecretsPage() {
  const mayWrite = useMay("secret.write");
  const [open, setOpen] = useState<Open>(null);
  const list = listedPages(useInfiniteQuery(secretsQuery));
  const make = mayWrite && (
    <Button look="primary" icon="plus" onClick={() => setOpen({ what: "new" })}>
      New secret…
    </Button>
  );
  return (
    <>
      <Head
        title="Secrets"
        actions={!isEmpty(list) && make}
        lede="Tools write {{secrets.name}}; the server fills it in as it sends, and only to the secret's own hosts."
      />
      <Body>
        <Listing
          noun="secret"
          label="Secrets"
          list={list}
          columns={columns(mayWrite, setOpen)}
          rowKey={(it) => it.name}
          find={{ hint: "Name or host", of: (it) => ({ label: it.name, hint: it.hosts.join(" ") }) }}
          empty={{
            title: "No secrets yet",
            text: "A key for an API that your tools call. Its value is never shown again, not even to a model.",
            action: make,
          }}
        />
      </Body>
      {open?.what === "new" && <Write secret={null} onClose={() => setOpen(null)} />}
      {open?.what === "change" && <Write secret={open.secret} onClose={() => setOpen(null)} />}
      {open?.what === "delete" && (
        <Deletion
          noun="secret"
          name={open.secret.name}
          queryKey="secrets"
          remove={(force) => deleteSecret(open.secret.name, force)}
          onClose={() => setOpen(null)}
        >
          {open.secret.used_by.length > 0
            ? `${open.secret.used_by.map((it) => it.name).join(", ")} cannot send it any more.`
            : "Nothing names it."}{" "}
          Its value cannot be brought back.
        </Deletion>
      )}
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
    unseen: true,
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
  const [name, setName] = useState(secret?.name ?? "");
  const [value, setValue] = useState("");
  const [hosts, setHosts] = useState<string[]>(secret?.hosts ?? []);
  const [description, setDescription] = useState(secret?.description ?? "");
  const write = useAct(
    () =>
      secret
        ? changeSecret(secret.name, { hosts, description, ...(value && { value }) })
        : createSecret({ name: name.trim(), value, hosts, description }),
    {
      keys: ["secrets"],
      said: (it) => (secret && value ? `${it.name} has its value number ${it.version}` : `Saved ${it.name}`),
      after: onClose,
    },
  );
  return (
    <FormDialog
      title={secret ? `Change ${secret.name}` : "New secret"}
      verb="Save secret"
      doing="Saving…"
      of={write}
      onSubmit={() => write.mutate()}
      onClose={onClose}
      known={["/name", "/value", "/hosts", "/description"]}
    >
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
    </FormDialog>
  );
}
