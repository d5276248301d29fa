import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "../api/me";
import { Button } from "../kit/Button";
import { Check } from "../kit/Field";
import { FormDialog } from "../kit/FormDialog";
import { Tag } from "../kit/Marks";
import { Note, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Head } from "../kit/Page";
import { type Column, More, Table } from "../kit/Table";
import { Time } from "../kit/Time";
import { useAct } from "../parts/useAct";
import { canRetire, KEY_STATES, type KeyState } from "./keys";
import {
  importSigningKey,
  makeSigningKey,
  retireSigningKey,
  type SigningKey,
  signingKeysQuery,
} from "./queries";

type Asked = { kind: "rotate" } | { kind: "retire"; key: SigningKey } | null;

/** The keys that sign tokens: which one does, which will, and which are still believed. */
export function KeysPage() {
  const mayWrite = useMay("key.write");
  const [asked, setAsked] = useState<Asked>(null);
  const list = useQuery(signingKeysQuery);
  const rows = list.data?.data ?? [];
  const lost = rows.filter((it) => it.state === "unreadable").length;
  return (
    <>
      <Head
        title="Signing keys"
        lede="Access tokens are signed with one of these. Whoever checks them finds the public halves at /.well-known/jwks.json."
        actions={
          mayWrite && (
            <Button look="primary" icon="plus" onClick={() => setAsked({ kind: "rotate" })}>
              Make a key…
            </Button>
          )
        }
      />
      <Body>
        {lost > 0 && (
          <Note look="bad" title="A key cannot be opened">
            It was sealed with another encryption key. Set <code>AGENT_SERVER_ENCRYPTION_KEY_PREVIOUS</code>{" "}
            to that one.
          </Note>
        )}
        {list.isPending && <Skeleton rows={3} />}
        {list.isError && <ProblemNote error={list.error} retry={() => list.refetch()} />}
        {rows.length > 0 && (
          <div>
            <Table
              label="Signing keys"
              columns={columns(mayWrite, (key) => setAsked({ kind: "retire", key }))}
              rows={rows}
              rowKey={(it) => it.kid}
            />
            <More>
              {mayWrite
                ? "A new key is published for ten minutes before it signs; the one before is believed for a day."
                : "Keys are made by whoever holds key.write."}
            </More>
          </div>
        )}
        {rows.some((it) => it.source === "settings") && mayWrite && <Import />}
      </Body>
      {asked?.kind === "rotate" && <Rotate onClose={() => setAsked(null)} />}
      {asked?.kind === "retire" && <Retire kid={asked.key.kid} onClose={() => setAsked(null)} />}
    </>
  );
}

const columns = (mayWrite: boolean, retire: (key: SigningKey) => void): Column<SigningKey>[] => [
  {
    head: "Key",
    narrow: "title",
    wide: "34%",
    cell: (it) => <code className="small cut">{it.kid}</code>,
  },
  {
    head: "State",
    narrow: "line",
    cell: (it) => {
      const state = KEY_STATES[it.state as KeyState];
      return <Tag look={state?.look ?? "line"}>{it.state}</Tag>;
    },
  },
  { head: "Signs from", end: true, cell: (it) => (it.begins_at ? <Time at={it.begins_at} /> : "the start") },
  { head: "Believed until", end: true, cell: (it) => (it.ends_at ? <Time at={it.ends_at} /> : "") },
  { head: "Kept in", cell: (it) => <span className="sub">the {it.source}</span> },
  { head: "Made", end: true, cell: (it) => (it.created_at ? <Time at={it.created_at} /> : "") },
  {
    head: "Verbs",
    unseen: true,
    end: true,
    narrow: "end",
    cell: (it) =>
      mayWrite &&
      canRetire(it.state) && (
        <Button small look="danger" onClick={() => retire(it)} aria-label={`Take ${it.kid} back…`}>
          Take back…
        </Button>
      ),
  },
];

function Rotate({ onClose }: { onClose: () => void }) {
  const [now, setNow] = useState(false);
  const make = useAct(() => makeSigningKey(now), {
    keys: ["oauth"],
    said: () => (now ? "The new key signs" : "The new key signs in ten minutes"),
    after: onClose,
  });
  return (
    <FormDialog
      title="Make another signing key?"
      verb="Make key"
      doing="Making…"
      of={make}
      onSubmit={() => make.mutate()}
      onClose={onClose}
    >
      <p className="sub">
        It is published at once and signs in ten minutes, when everybody who keeps our key set has it. Tokens
        of the key before stay good for another day.
      </p>
      <Check
        label="Have it sign at once"
        hint="When the key before is known to others. Whoever keeps an older key set refuses new tokens until he reads it again."
        checked={now}
        onChange={setNow}
      />
    </FormDialog>
  );
}

function Retire({ kid, onClose }: { kid: string; onClose: () => void }) {
  const retire = useAct(() => retireSigningKey(kid), {
    keys: ["oauth"],
    said: () => "The key was taken back, and its tokens are void",
    after: onClose,
  });
  return (
    <FormDialog
      title="Take this key back?"
      verb="Take key back"
      doing="Taking back…"
      destroys
      of={retire}
      onSubmit={() => retire.mutate()}
      onClose={onClose}
    >
      <p className="sub">
        All tokens that it signed are void at once, on every process within half a second. It cannot be
        undone.
      </p>
      <p>
        <code className="small">{kid}</code>
      </p>
    </FormDialog>
  );
}

/** Moves the key of the settings into the database. */
function Import() {
  const move = useAct(importSigningKey, {
    keys: ["oauth"],
    said: () => "The key is in the database; TOKEN_SERVICE_PRIVATE_KEY can be left out",
  });
  return (
    <Note
      title="One key comes from the settings"
      action={
        <Button small busy={move.isPending && "Moving…"} onClick={() => move.mutate()}>
          Move it
        </Button>
      }
    >
      Moved into the database it stays what it is, sealed, and can be taken back like the others.
      {move.isError && <ProblemNote error={move.error} />}
    </Note>
  );
}
