import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { decide } from "../api/approvals";
import { failureOf } from "../api/problem";
import type { Approval, Decision } from "../api/types";
import { TextArea } from "../kit/Field";
import { FormDialog } from "../kit/FormDialog";
import { parseObject, pretty } from "../kit/json";
import { useToast } from "../kit/Toasts";

export type Asking = "reject" | "change" | "done";

interface Said {
  decision: Decision;
  reason?: string;
  arguments?: Record<string, never>;
  result?: unknown;
  /** Of a step of a workflow. */
  payload?: unknown;
}

/** Decides, and has what waits read again. */
export function useDecide(approval: Approval, onDecided: (() => void) | undefined) {
  const queries = useQueryClient();
  const say = useToast();
  return useMutation({
    mutationFn: (said: Said) => decide(approval.id, { arguments_hash: approval.arguments_hash, ...said }),
    onSuccess: (_, said) => {
      say(
        said.decision === "reject"
          ? `Denied ${approval.tool.name}`
          : `Decided: ${approval.tool.name} goes on`,
      );
      onDecided?.();
    },
    onSettled: () => {
      queries.invalidateQueries({ queryKey: ["approvals"] });
      queries.invalidateQueries({ queryKey: ["runs", "tree", approval.run_id] });
    },
  });
}

/** What a decision needs beside the word: a reason, other arguments, or what came of the call. */
export function Ask({
  asking,
  approval,
  by,
  onClose,
}: {
  asking: Asking;
  approval: Approval;
  /** By what it is decided. */
  by: ReturnType<typeof useDecide>;
  onClose: () => void;
}) {
  const [text, setText] = useState(asking === "change" ? pretty(approval.arguments) : "");
  const parsed = asking === "reject" ? null : parseObject(text);
  const error = parsed && "error" in parsed ? parsed.error : undefined;
  const submit = () => {
    if (error) return;
    const value = parsed && "value" in parsed ? parsed.value : null;
    const said: Said =
      asking === "reject"
        ? { decision: "reject", ...(text.trim() && { reason: text.trim() }) }
        : asking === "change"
          ? { decision: "approve", arguments: (value ?? {}) as Record<string, never> }
          : { decision: "done", result: value };
    by.mutate(said, { onSuccess: onClose });
  };
  const words = {
    reject: {
      title: `Deny ${approval.tool.name}?`,
      label: "Reason",
      hint:
        approval.kind === "step"
          ? "It stands in the record."
          : "The model reads it, and it stands in the record.",
      verb: "Deny",
    },
    change: {
      title: `Call ${approval.tool.name} with other arguments?`,
      label: "Arguments",
      hint: "JSON, as the tool's schema wants it. Both are recorded.",
      verb: "Approve with these",
    },
    done: {
      title: "What came of it?",
      label: "Result",
      hint: "JSON, as the model is to see it; empty is null.",
      verb: "It was done",
    },
  }[asking];
  const known = asking === "change" ? ["/arguments"] : [];
  return (
    <FormDialog
      title={words.title}
      verb={words.verb}
      doing="Deciding…"
      destroys={asking === "reject"}
      keep="Close"
      of={by}
      onSubmit={submit}
      onClose={onClose}
      known={known}
    >
      <TextArea
        label={words.label}
        hint={words.hint}
        optional={asking !== "change"}
        mono={asking !== "reject"}
        rows={asking === "change" ? 8 : 3}
        error={
          error ??
          (by.isError
            ? failureOf(by.error)
                .faults.map((it) => it.detail)
                .join("; ")
            : undefined)
        }
        value={text}
        onChange={setText}
      />
    </FormDialog>
  );
}
