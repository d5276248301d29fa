import type { ReactNode } from "react";
import { failureOf } from "../api/problem";
import { Button } from "./Button";
import { FaultsOf } from "./Field";
import { Dialog, ProblemNote } from "./Messages";

interface Props {
  /** A question, or what is made. */
  title: string;
  /** What its button does, and says meanwhile: a verb and its object. */
  verb: string;
  doing: string;
  /** What it destroys, it does by a red button. */
  destroys?: boolean;
  /** How it goes. */
  of: { isPending: boolean; error: unknown };
  onSubmit: () => void;
  onClose: () => void;
  /** Pointers at which its fields show faults themselves. */
  known?: readonly string[];
  /** What leaves all as it is, if it is not only closed. */
  keep?: string;
  disabled?: boolean;
  /** Another verb, away from the others. */
  beside?: ReactNode;
  children: ReactNode;
}

/** A dialog that asks the server for one thing. What it refuses stands beside the fields, or above them. */
export function FormDialog({ title, verb, doing, destroys = false, of, known, ...rest }: Props) {
  const { onSubmit, onClose, keep = destroys ? "Keep it" : "Close", disabled, beside, children } = rest;
  return (
    <FaultsOf value={of.error ? failureOf(of.error).faults : []}>
      <Dialog
        title={title}
        onClose={onClose}
        onSubmit={onSubmit}
        footer={
          <>
            {beside && <span style={{ marginRight: "auto" }}>{beside}</span>}
            <Button onClick={onClose}>{keep}</Button>
            <Button
              type="submit"
              look={destroys ? "destroy" : "primary"}
              disabled={disabled}
              busy={of.isPending && doing}
            >
              {verb}
            </Button>
          </>
        }
      >
        {of.error !== null && <ProblemNote error={of.error} {...(known && { known })} />}
        {children}
      </Dialog>
    </FaultsOf>
  );
}

/** What was refused that nobody was asked about before. */
export function Refused({ title, of }: { title: string; of: { error: unknown; reset: () => void } }) {
  if (of.error === null) return null;
  return (
    <Dialog title={title} onClose={of.reset} footer={<Button onClick={of.reset}>Close</Button>}>
      <ProblemNote error={of.error} />
    </Dialog>
  );
}
