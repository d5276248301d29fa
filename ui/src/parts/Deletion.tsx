import type { ReactNode } from "react";
import { Failure } from "../api/problem";
import { FormDialog } from "../kit/FormDialog";
import { useAct } from "./useAct";

interface Props {
  /** What it is, in a word: `agent`. */
  noun: string;
  name: string;
  /** What queries of the kind begin with. */
  queryKey: string;
  remove: (force: boolean) => Promise<unknown>;
  onClose: () => void;
  onRemoved?: () => void;
  /** What is said afterwards, if not only that it is gone. */
  said?: string;
  /** What goes with it, and what becomes of those who use it. */
  children: ReactNode;
}

/** Asks once before something goes. What others name, the server keeps until somebody insists. */
export function Deletion({ noun, name, queryKey, remove, onClose, onRemoved, said, children }: Props) {
  const act = useAct(remove, {
    keys: [queryKey],
    said: () => said ?? `Deleted ${name}`,
    after: onRemoved ?? onClose,
  });
  const isInUse = act.error instanceof Failure && act.error.slug.endsWith("-in-use");
  return (
    <FormDialog
      title={`Delete ${name}?`}
      verb={isInUse ? "Delete it all the same" : `Delete ${noun}`}
      doing="Deleting…"
      destroys
      of={act}
      onSubmit={() => act.mutate(isInUse)}
      onClose={onClose}
    >
      <p className="sub">{children}</p>
    </FormDialog>
  );
}
