import type { Approval } from "../api/types";
import { Button } from "../kit/Button";
import type { Asking, useDecide } from "./Ask";
import { asksFor } from "./decision";

interface WordsProps {
  of: Approval;
  by: ReturnType<typeof useDecide>;
  isCurrent: boolean;
  ready: boolean;
  /** What is given with the decision, by a form beside; `null` as long as that cannot be read. */
  payload: { value: unknown } | null;
  ask: (asking: Asking) => void;
}

/** What can be said to it. A consent can only be refused here: it is given on its page. */
export function Words({ of, by, isCurrent, ready, payload, ask }: WordsProps) {
  const { kind } = of;
  if (kind === "consent") {
    return (
      <Button icon="ban" disabled={!ready} onClick={() => ask("reject")}>
        Deny… {isCurrent && <kbd>D</kbd>}
      </Button>
    );
  }
  if (kind === "unknown_effect") {
    return (
      <>
        <Button onClick={() => ask("done")}>It was done, go on…</Button>
        <Button onClick={() => by.mutate({ decision: "retry" })}>Send it again</Button>
        <Button look="danger" onClick={() => ask("reject")}>
          Give it up…
        </Button>
      </>
    );
  }
  return (
    <>
      <Button
        look="primary"
        icon="check"
        disabled={asksFor(of) && payload === null}
        busy={by.isPending && "Approving…"}
        onClick={() => by.mutate({ decision: "approve", ...(payload && { payload: payload.value }) })}
      >
        Approve {isCurrent && !asksFor(of) && <kbd>A</kbd>}
      </Button>
      <Button icon="ban" disabled={!ready} onClick={() => ask("reject")}>
        Deny… {isCurrent && <kbd>D</kbd>}
      </Button>
      {kind !== "step" && (
        <Button look="quiet" icon="pencil" disabled={!ready} onClick={() => ask("change")}>
          Change the arguments
        </Button>
      )}
    </>
  );
}
