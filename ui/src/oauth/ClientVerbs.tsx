import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "../api/me";
import { Button, buttonClass } from "../kit/Button";
import { SelectField } from "../kit/Field";
import { FormDialog } from "../kit/FormDialog";
import { Deletion } from "../parts/Deletion";
import { Once } from "../parts/Once";
import { useAct } from "../parts/useAct";
import { type Client, changeClient, deleteClient, rotateSecret } from "./queries";

const OVERLAPS = [
  ["86400", "one day"],
  ["604800", "one week"],
  ["0", "no time: it is out"],
] as const;

/** What is done with a client as a whole. */
export function ClientVerbs({ client }: { client: Client }) {
  const mayWrite = useMay("client.write");
  const navigate = useNavigate();
  const [open, setOpen] = useState<"rotate" | "delete" | null>(null);
  const [overlap, setOverlap] = useState<string>("86400");
  const turn = useAct(() => changeClient(client.client_id, { is_active: !client.is_active }), {
    keys: ["oauth"],
    said: (it) =>
      it.is_active ? "It gets tokens again" : "It gets no tokens, and those that are out are void",
  });
  const rotate = useMutation({
    mutationFn: () => rotateSecret(client.client_id, Number(overlap)),
    onSuccess: () => setOpen(null),
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
        <FormDialog
          title="Give it another secret?"
          verb="Make secret"
          doing="Making…"
          of={rotate}
          onSubmit={() => rotate.mutate()}
          onClose={() => setOpen(null)}
        >
          <SelectField
            label="The secret before stays good for"
            options={OVERLAPS}
            value={overlap}
            onChange={setOverlap}
          />
        </FormDialog>
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
        <Deletion
          noun="client"
          name={client.client_name || client.client_id}
          queryKey="oauth"
          remove={() => deleteClient(client.client_id)}
          onClose={() => setOpen(null)}
          onRemoved={() => navigate({ to: "/clients" })}
        >
          Its tokens and API keys are void at once. Its runs stay.
        </Deletion>
      )}
    </>
  );
}
