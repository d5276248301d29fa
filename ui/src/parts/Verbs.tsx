import { type ReactNode, useState } from "react";
import { Button } from "../kit/Button";
import { Deletion } from "./Deletion";
import { useAct } from "./useAct";

interface Props {
  /** What it is, in a word: `agent`. */
  noun: string;
  /** What queries of the kind begin with. */
  queryKey: string;
  it: { id: string; display_name: string; is_active: boolean; source: string };
  turn: (id: string, isActive: boolean) => Promise<unknown>;
  remove: (id: string, force: boolean) => Promise<unknown>;
  onRemoved: () => void;
  /** What becomes of those who use it. */
  children: ReactNode;
}

/** What is done with a definition as a whole. */
export function Verbs({ noun, queryKey, it, turn, remove, onRemoved, children }: Props) {
  const [isDeleting, setDeleting] = useState(false);
  const act = useAct(() => turn(it.id, !it.is_active), {
    keys: [queryKey],
    said: () => `${it.display_name} is ${it.is_active ? "inactive: it answers nobody" : "active"}`,
  });
  if (it.source === "code") return null;
  return (
    <>
      <Button busy={act.isPending && "Changing…"} onClick={() => act.mutate()}>
        {it.is_active ? "Deactivate" : "Activate"}
      </Button>
      <Button look="danger" icon="trash-2" aria-label={`Delete ${noun}…`} onClick={() => setDeleting(true)} />
      {isDeleting && (
        <Deletion
          noun={noun}
          name={it.display_name}
          queryKey={queryKey}
          remove={(force) => remove(it.id, force)}
          onClose={() => setDeleting(false)}
          onRemoved={onRemoved}
          said={`Deleted ${it.display_name}; its runs stay`}
        >
          {children}
        </Deletion>
      )}
    </>
  );
}
