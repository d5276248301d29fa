import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { listed } from "../api/pages";
import { Button } from "../kit/Button";
import { FormDialog } from "../kit/FormDialog";
import { Listing } from "../kit/Listing";
import { type Column, nameClass } from "../kit/Table";
import { Time } from "../kit/Time";
import { useAct } from "../parts/useAct";
import { type Consent, consentsQuery, takeBack } from "./queries";

/** Servers of others that whoever is signed in lets be used in his name. */
export function Consents() {
  const list = useQuery(consentsQuery);
  const [leaving, setLeaving] = useState<Consent | null>(null);
  return (
    <>
      <Listing
        noun="consent"
        label="Your consents"
        list={listed(list)}
        columns={columns(setLeaving)}
        rowKey={(it) => it.upstream}
        empty={{
          title: "You have agreed to nothing",
          text: "Some servers of others want a person to agree before their tools work for him. A run that needs it waits, and shows you where you do; what you agreed to stands here, and you can take it back.",
        }}
      />
      {leaving && <TakeBack of={leaving} onClose={() => setLeaving(null)} />}
    </>
  );
}

function TakeBack({ of, onClose }: { of: Consent; onClose: () => void }) {
  const act = useAct(() => takeBack(of.upstream), {
    keys: ["mcp"],
    said: () => `${of.display_name} is used in your name no more`,
    after: onClose,
  });
  return (
    <FormDialog
      title={`Take your consent to ${of.display_name} back?`}
      verb="Take it back"
      doing="Taking it back…"
      destroys
      of={act}
      onSubmit={() => act.mutate()}
      onClose={onClose}
    >
      <p className="sub">
        The tokens are forgotten, and its authorization server is told so. A run of yours that needs it asks
        you again.
      </p>
    </FormDialog>
  );
}

const columns = (leave: (it: Consent) => void): Column<Consent>[] => [
  {
    head: "Server",
    narrow: "title",
    cell: (it) => (
      <a className={nameClass} href={it.url}>
        <bdi>{it.display_name}</bdi>
      </a>
    ),
  },
  {
    head: "It may",
    wide: "40%",
    narrow: "line",
    cell: (it) => <span className="mono small">{it.scope ?? "what it was not said"}</span>,
  },
  { head: "Agreed", end: true, cell: (it) => <Time at={it.created_at} /> },
  { head: "Renewed", end: true, cell: (it) => <Time at={it.updated_at} /> },
  {
    head: "Verbs",
    unseen: true,
    end: true,
    narrow: "end",
    cell: (it) => (
      <Button small onClick={() => leave(it)}>
        Take back…
      </Button>
    ),
  },
];
