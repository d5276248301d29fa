import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../api/client";
import { useMay } from "../api/me";
import type { components } from "../api/schema";
import { Button } from "../kit/Button";
import { Check } from "../kit/Field";
import { Tag } from "../kit/Marks";
import { Dialog, Note, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Head } from "../kit/Page";
import { type Column, More, Table } from "../kit/Table";
import { Time } from "../kit/Time";
import { useToast } from "../kit/Toasts";
import { canRetire, KEY_STATES, type KeyState } from "./keys";

type KeyInfo = components["schemas"]["SigningKey"];
type Asked = { kind: "rotate" } | { kind: "retire"; key: KeyInfo } | null;

const KEYS = ["oauth", "keys"];

/** The keys that sign tokens: which one does, which will, and which are still believed. */
export function KeysPage() {
  const mayWrite = useMay("key.write");
  const [asked, setAsked] = useState<Asked>(null);
  const list = useQuery({
    queryKey: KEYS,
    queryFn: () => answer(api.GET("/oauth/keys")),
    refetchInterval: 30_000,
  });
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

const columns = (mayWrite: boolean, retire: (key: KeyInfo) => void): Column<KeyInfo>[] => [
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

function useAgain() {
  const queries = useQueryClient();
  return () => queries.invalidateQueries({ queryKey: KEYS });
}

function Rotate({ onClose }: { onClose: () => void }) {
  const again = useAgain();
  const say = useToast();
  const [now, setNow] = useState(false);
  const make = useMutation({
    mutationFn: () => answer(api.POST("/oauth/keys", { body: { now } })),
    onSuccess: () => {
      again();
      say(now ? "The new key signs" : "The new key signs in ten minutes");
      onClose();
    },
  });
  return (
    <Dialog
      title="Make another signing key?"
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
      {make.isError && <ProblemNote error={make.error} />}
    </Dialog>
  );
}

function Retire({ kid, onClose }: { kid: string; onClose: () => void }) {
  const again = useAgain();
  const say = useToast();
  const retire = useMutation({
    mutationFn: () => api.DELETE("/oauth/keys/{kid}", { params: { path: { kid } } }),
    onSuccess: () => {
      again();
      say("The key was taken back, and its tokens are void");
      onClose();
    },
  });
  return (
    <Dialog
      title="Take this key back?"
      onClose={onClose}
      onSubmit={() => retire.mutate()}
      footer={
        <>
          <Button onClick={onClose}>Keep it</Button>
          <Button type="submit" look="destroy" busy={retire.isPending && "Taking back…"}>
            Take key back
          </Button>
        </>
      }
    >
      <p className="sub">
        All tokens that it signed are void at once, on every process within half a second. It cannot be
        undone.
      </p>
      <p>
        <code className="small">{kid}</code>
      </p>
      {retire.isError && <ProblemNote error={retire.error} />}
    </Dialog>
  );
}

/** Moves the key of the settings into the database. */
function Import() {
  const again = useAgain();
  const say = useToast();
  const move = useMutation({
    mutationFn: () => answer(api.POST("/oauth/keys/import")),
    onSuccess: () => {
      again();
      say("The key is in the database; TOKEN_SERVICE_PRIVATE_KEY can be left out");
    },
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
