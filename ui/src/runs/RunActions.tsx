import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "../api/me";
import { cancelRun, isOver } from "../api/runs";
import type { Run, RunEvent } from "../api/types";
import { Button } from "../kit/Button";
import { TextArea, TextField } from "../kit/Field";
import { FormDialog, Refused } from "../kit/FormDialog";
import { useAct } from "../parts/useAct";
import { executionsOf } from "./entries";
import { ForkWorkflow } from "./ForkWorkflow";
import { forkRun, retryRun } from "./queries";
import { useGoTo } from "./useGoTo";

type Open = "cancel" | "fork" | null;

/** What can be done with a run as it is, by whoever may. */
export function RunActions({ run, events }: { run: Run; events: readonly RunEvent[] }) {
  const [open, setOpen] = useState<Open>(null);
  const mayStop = useMay("run.write", "agent.execute", "tool.execute", "workflow.execute");
  const [mayAgent, mayWorkflow] = [useMay("agent.execute"), useMay("workflow.execute")];
  const mayBegin = { agent: mayAgent, workflow: mayWorkflow, tool: false }[run.kind];
  const isBroken = run.status === "failed" || run.status === "timed_out";
  const lastSeq = events.at(-1)?.seq ?? run.last_seq;
  const goTo = useGoTo();
  const retry = useMutation({
    mutationFn: () => retryRun(run.id),
    onSuccess: (it) => goTo(it.id, "Begun again from its failure"),
  });
  return (
    <>
      {mayBegin && isBroken && (
        <Button icon="rotate-ccw" busy={retry.isPending && "Beginning…"} onClick={() => retry.mutate()}>
          Retry from the failure
        </Button>
      )}
      {mayBegin && (
        <Button icon="git-fork" onClick={() => setOpen("fork")}>
          Fork…
        </Button>
      )}
      {mayStop && !isOver(run.status) && (
        <Button look="danger" icon="circle-stop" onClick={() => setOpen("cancel")}>
          Cancel run…
        </Button>
      )}
      <Refused title="It was not begun again" of={retry} />
      {open === "cancel" && <Cancel run={run} onClose={() => setOpen(null)} />}
      {open === "fork" && run.kind === "agent" && (
        <Fork run={run} lastSeq={lastSeq} onClose={() => setOpen(null)} />
      )}
      {open === "fork" && run.kind === "workflow" && (
        <ForkWorkflow run={run} all={executionsOf(events).all} onClose={() => setOpen(null)} />
      )}
    </>
  );
}

function Cancel({ run, onClose }: { run: Run; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const cancel = useAct(() => cancelRun(run.id, reason || null), {
    keys: ["runs"],
    said: () => `Asked ${run.definition.name} to stop`,
    after: onClose,
  });
  return (
    <FormDialog
      title={`Cancel this run of ${run.definition.name}?`}
      verb="Cancel run"
      doing="Canceling…"
      destroys
      keep="Let it go on"
      of={cancel}
      onSubmit={() => cancel.mutate()}
      onClose={onClose}
    >
      <p className="sub">
        What it does now is stopped, and so are the runs below it. What tools have done stays done.
      </p>
      <TextField label="Reason" optional hint="For the record." value={reason} onChange={setReason} />
    </FormDialog>
  );
}

function Fork({ run, lastSeq, onClose }: { run: Run; lastSeq: number; onClose: () => void }) {
  const [from, setFrom] = useState("1");
  const isText = typeof run.input === "string";
  const [input, setInput] = useState(typeof run.input === "string" ? run.input : "");
  const goTo = useGoTo();
  const seq = Number(from);
  const isAnew = seq === 1 && isText && input !== run.input;
  const fork = useMutation({
    mutationFn: () => forkRun(run.id, { from_seq: seq, ...(isAnew && { input }) }),
    onSuccess: (it) => goTo(it.id, `Forked from event ${seq}`),
  });
  const error =
    Number.isInteger(seq) && seq >= 1 && seq <= lastSeq + 1 ? undefined : `From 1 to ${lastSeq + 1}.`;
  return (
    <FormDialog
      title="Fork this run?"
      verb="Fork run"
      doing="Forking…"
      of={fork}
      onSubmit={() => !error && fork.mutate()}
      onClose={onClose}
      known={["/from_seq", "/input"]}
    >
      <p className="sub">
        Another run takes over what was recorded before this event, and goes on from there. Nothing that a
        tool did is done again.
      </p>
      <TextField
        label="From event"
        type="number"
        pointer="/from_seq"
        hint={`1 takes over nothing; ${lastSeq + 1} takes over all. The numbers stand in the waterfall and beside the events.`}
        error={error}
        value={from}
        onChange={setFrom}
      />
      {seq === 1 && isText && <TextArea label="Input" pointer="/input" value={input} onChange={setInput} />}
    </FormDialog>
  );
}
