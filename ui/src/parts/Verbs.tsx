import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Failure } from "../api/problem";
import { Button } from "../kit/Button";
import { Dialog, ProblemNote } from "../kit/Messages";
import { useToast } from "../kit/Toasts";

interface Props {
  /** What it is, in a word: `agent`. */
  noun: string;
  /** What queries of the kind begin with. */
  queryKey: string;
  it: { id: string; display_name: string; is_active: boolean; source: string };
  activate: (id: string) => Promise<{ display_name: string; is_active: boolean }>;
  deactivate: (id: string) => Promise<{ display_name: string; is_active: boolean }>;
  remove: (id: string, force: boolean) => Promise<unknown>;
  onRemoved: () => void;
  /** What becomes of those who use it. */
  children: ReactNode;
}

/** What is done with a definition as a whole. */
export function Verbs({ noun, queryKey, it, activate, deactivate, remove, onRemoved, children }: Props) {
  const [isDeleting, setDeleting] = useState(false);
  const queries = useQueryClient();
  const say = useToast();
  const turn = useMutation({
    mutationFn: () => (it.is_active ? deactivate(it.id) : activate(it.id)),
    onSuccess: (it) => {
      queries.invalidateQueries({ queryKey: [queryKey] });
      say(`${it.display_name} is ${it.is_active ? "active" : "inactive: it answers nobody"}`);
    },
  });
  const deletion = useMutation({
    mutationFn: (force: boolean) => remove(it.id, force),
    onSuccess: () => {
      queries.invalidateQueries({ queryKey: [queryKey] });
      say(`Deleted ${it.display_name}; its runs stay`);
      onRemoved();
    },
  });
  if (it.source === "code") return null;
  const isInUse = deletion.error instanceof Failure && deletion.error.slug === `${noun}-in-use`;
  return (
    <>
      <Button busy={turn.isPending && "Changing…"} onClick={() => turn.mutate()}>
        {it.is_active ? "Deactivate" : "Activate"}
      </Button>
      <Button look="danger" icon="trash-2" aria-label={`Delete ${noun}…`} onClick={() => setDeleting(true)} />
      {isDeleting && (
        <Dialog
          title={`Delete ${it.display_name}?`}
          onClose={() => setDeleting(false)}
          onSubmit={() => deletion.mutate(isInUse)}
          footer={
            <>
              <Button onClick={() => setDeleting(false)}>Keep it</Button>
              <Button type="submit" look="destroy" busy={deletion.isPending && "Deleting…"}>
                {isInUse ? "Delete it all the same" : `Delete ${noun}`}
              </Button>
            </>
          }
        >
          <p className="sub">{children}</p>
          {deletion.isError && <ProblemNote error={deletion.error} />}
        </Dialog>
      )}
    </>
  );
}
