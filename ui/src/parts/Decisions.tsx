import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { answer, api } from "../api/client";
import { failureOf } from "../api/problem";
import type { Approval, Decision } from "../api/types";
import { Button } from "../kit/Button";
import { cx } from "../kit/cx";
import { isTyping, TextArea } from "../kit/Field";
import { duration, shortId } from "../kit/format";
import { Icon } from "../kit/Icon";
import { parseObject, pretty } from "../kit/json";
import { Tag } from "../kit/Marks";
import { Dialog, ProblemNote } from "../kit/Messages";
import { Time } from "../kit/Time";
import { useToast } from "../kit/Toasts";
import s from "./Decision.module.css";
import { argumentsOf, msLeft, questionOf, reasonOf } from "./decision";

/** The decisions for which a run waits. */
export function Decisions({ runId, mayDecide }: { runId: string; mayDecide: boolean }) {
  const pending = useQuery({
    queryKey: ["approvals", "of", runId],
    queryFn: () => answer(api.GET("/approvals", { params: { query: { run_id: runId, status: "pending" } } })),
    enabled: mayDecide,
    refetchInterval: 5_000,
  });
  if (pending.isError) return <ProblemNote error={pending.error} retry={() => pending.refetch()} />;
  return pending.data?.data.map((it) => <DecisionCard key={it.id} approval={it} mayDecide={mayDecide} />);
}

interface Props {
  approval: Approval;
  mayDecide: boolean;
  /** It has the keys `a` and `d`. */
  isCurrent?: boolean;
  showRun?: boolean;
  onDecided?: () => void;
}

type Asking = "reject" | "change" | "done" | null;

/** What a person is asked: the question, what was done already, the arguments, and the time that is left. */
export function DecisionCard({ approval, mayDecide, isCurrent = false, showRun = false, onDecided }: Props) {
  const [asking, setAsking] = useState<Asking>(null);
  const decide = useDecide(approval, onDecided);
  const isPending = approval.status === "pending";
  const isUnknown = approval.kind === "unknown_effect";
  const left = msLeft(approval, Date.now());
  const ready = isPending && mayDecide && !decide.isPending;
  useEffect(() => {
    if (!isCurrent || !ready || asking || isUnknown) return;
    const press = (event: KeyboardEvent) => {
      if (isTyping(event) || event.metaKey || event.ctrlKey || event.altKey) return;
      if (event.key === "a") decide.mutate({ decision: "approve" });
      if (event.key === "d") {
        event.preventDefault();
        setAsking("reject");
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [isCurrent, ready, asking, isUnknown, decide]);
  const args = argumentsOf(approval);
  return (
    <article
      className={cx(s.decision, !isPending && s.done)}
      aria-label={questionOf(approval)}
      data-row
      tabIndex={isPending ? 0 : undefined}
    >
      <div className="row wrap">
        <h2 className="grow">{questionOf(approval)}</h2>
        {isPending && left !== null && (
          <span className={cx("row small", s.left)}>
            <Icon name="hourglass" small /> {duration(left)} left
          </span>
        )}
        {!isPending && <Tag look={approval.status === "approved" ? "ok" : "line"}>{approval.status}</Tag>}
      </div>
      {isPending && <p className="sub">{reasonOf(approval)}</p>}
      {args.length > 0 && (
        <dl className={s.args}>
          {args.map(([name, value]) => (
            <div key={name} style={{ display: "contents" }}>
              <dt>{name}</dt>
              <dd dir="auto">{value}</dd>
            </div>
          ))}
        </dl>
      )}
      {!isPending && approval.decided_by && (
        <p className="sub small">
          Decided by {approval.decided_by} {approval.decided_at && <Time at={approval.decided_at} />}
          {approval.reason && `: ${approval.reason}`}
        </p>
      )}
      {showRun && (
        <p className="small dim">
          Asked by{" "}
          <Link to="/runs/$id" params={{ id: approval.run_id }}>
            run {shortId(approval.run_id)}
          </Link>
          , <Time at={approval.created_at} />
        </p>
      )}
      {decide.isError && <ProblemNote error={decide.error} />}
      {isPending && mayDecide && (
        <div className={cx("row wrap", s.buttons)}>
          {isUnknown ? (
            <>
              <Button onClick={() => setAsking("done")}>It was done, go on…</Button>
              <Button onClick={() => decide.mutate({ decision: "retry" })}>Send it again</Button>
              <Button look="danger" onClick={() => setAsking("reject")}>
                Give it up…
              </Button>
            </>
          ) : (
            <>
              <Button
                look="primary"
                icon="check"
                busy={decide.isPending && "Approving…"}
                onClick={() => decide.mutate({ decision: "approve" })}
              >
                Approve {isCurrent && <kbd>A</kbd>}
              </Button>
              <Button icon="ban" disabled={!ready} onClick={() => setAsking("reject")}>
                Deny… {isCurrent && <kbd>D</kbd>}
              </Button>
              <Button look="quiet" icon="pencil" disabled={!ready} onClick={() => setAsking("change")}>
                Change the arguments
              </Button>
            </>
          )}
        </div>
      )}
      {isPending && !mayDecide && (
        <p className="small dim">
          <Icon name="lock" small /> Deciding needs <code>approval.decide</code>.
        </p>
      )}
      {asking && <Ask asking={asking} approval={approval} decide={decide} onClose={() => setAsking(null)} />}
    </article>
  );
}

interface Said {
  decision: Decision;
  reason?: string;
  arguments?: Record<string, never>;
  result?: unknown;
}

function useDecide(approval: Approval, onDecided: (() => void) | undefined) {
  const queries = useQueryClient();
  const say = useToast();
  return useMutation({
    mutationFn: (said: Said) =>
      answer(
        api.POST("/approvals/{id}", {
          params: { path: { id: approval.id } },
          body: { arguments_hash: approval.arguments_hash, ...said },
        }),
      ),
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
function Ask({
  asking,
  approval,
  decide,
  onClose,
}: {
  asking: Exclude<Asking, null>;
  approval: Approval;
  decide: ReturnType<typeof useDecide>;
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
    decide.mutate(said, { onSuccess: onClose });
  };
  const words = {
    reject: {
      title: `Deny ${approval.tool.name}?`,
      label: "Reason",
      hint: "The model reads it, and it stands in the record.",
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
    <Dialog
      title={words.title}
      onClose={onClose}
      onSubmit={submit}
      footer={
        <>
          <Button onClick={onClose}>Close</Button>
          <Button
            type="submit"
            look={asking === "reject" ? "destroy" : "primary"}
            busy={decide.isPending && "Deciding…"}
          >
            {words.verb}
          </Button>
        </>
      }
    >
      <TextArea
        label={words.label}
        hint={words.hint}
        optional={asking !== "change"}
        mono={asking !== "reject"}
        rows={asking === "change" ? 8 : 3}
        error={
          error ??
          (decide.isError
            ? failureOf(decide.error)
                .faults.map((it) => it.detail)
                .join("; ")
            : undefined)
        }
        value={text}
        onChange={setText}
      />
      {decide.isError && <ProblemNote error={decide.error} known={known} />}
    </Dialog>
  );
}
