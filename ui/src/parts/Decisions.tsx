import { useQueries, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { pendingOfQuery } from "../api/approvals";
import { useMay, useMe } from "../api/me";
import { failureOf } from "../api/problem";
import type { Approval, Run, Span } from "../api/types";
import { buttonClass } from "../kit/Button";
import { cx } from "../kit/cx";
import { FaultsOf } from "../kit/Field";
import { duration, shortId } from "../kit/format";
import { Icon } from "../kit/Icon";
import { isTyping } from "../kit/keys";
import { Tag } from "../kit/Marks";
import { Note, ProblemNote } from "../kit/Messages";
import { Time } from "../kit/Time";
import { Ask, type Asking, useDecide } from "./Ask";
import s from "./Decision.module.css";
import { Words } from "./DecisionWords";
import { argumentsOf, asksFor, msLeft, questionOf, reasonOf } from "./decision";
import { SchemaForm, useAny } from "./SchemaForm";
import type { Schema } from "./schema";

/** The decisions for which a run waits. */
export function Decisions({ run, mayDecide }: { run: Run; mayDecide: boolean }) {
  // What was read before it was asked does not have it.
  const pending = useQuery({ ...pendingOfQuery(run.id), enabled: mayDecide, refetchOnMount: "always" });
  if (!mayDecide) return <Consents run={run} />;
  if (pending.isError) return <ProblemNote error={pending.error} retry={() => pending.refetch()} />;
  return pending.data?.data.map((it) => <DecisionCard key={it.id} approval={it} mayDecide={mayDecide} />);
}

/** The decisions for which runs below another wait, with a way to each. */
export function DecisionsBelow({ runs, mayDecide }: { runs: readonly Span[]; mayDecide: boolean }) {
  const pending = useQueries({
    queries: runs.map((it) => ({ ...pendingOfQuery(it.id), enabled: mayDecide })),
  });
  if (mayDecide)
    return pending
      .flatMap((it) => it.data?.data ?? [])
      .map((it) => <DecisionCard key={it.id} approval={it} mayDecide showRun />);
  return runs.map((it) => (
    <Note key={it.id} look="warn" title={`A run of ${it.name} below waits for a person`}>
      <Link to="/runs/$id" params={{ id: it.id }}>
        run {shortId(it.id)}
      </Link>
    </Note>
  ));
}

/** Where a run waits for its person to agree, for who decides nothing else. */
const Consents = ({ run }: { run: Run }) =>
  run.waiting_for.map(
    (it) =>
      it.kind === "consent" && (
        <Note
          key={it.approval_id}
          look="warn"
          title={`${it.upstream} wants the person who began this run to agree`}
          action={<ConsentLink of={it} subject={run.subject} />}
        />
      ),
  );

/** Leads to the page where a person agrees; the run then goes on by itself. */
function ConsentLink({ of, subject }: { of: { upstream: string; url: string }; subject: string }) {
  const isOwn = useMe().subject === subject;
  return (
    <a
      href={of.url}
      target="_blank"
      rel="noreferrer"
      className={buttonClass(isOwn ? "primary" : "plain")}
      title={isOwn ? undefined : `For ${subject} alone; whoever else opens it agrees for himself`}
    >
      <Icon name="external-link" /> Agree for {of.upstream}
    </a>
  );
}

/** Whoever wants nothing with a decision has no form. */
const NO_SCHEMA: Schema = {};

interface Props {
  approval: Approval;
  mayDecide: boolean;
  /** It has the keys `a` and `d`. */
  isCurrent?: boolean;
  showRun?: boolean;
  onDecided?: () => void;
}

/** What a person is asked: the question, what was done already, the arguments, and the time that is left. */
export function DecisionCard({
  approval,
  mayDecide: may,
  isCurrent = false,
  showRun = false,
  onDecided,
}: Props) {
  const [asking, setAsking] = useState<Asking | null>(null);
  const mayDecide = useMay(approval.required_scope) && may;
  const given = useAny((approval.payload_schema as Schema | null | undefined) ?? NO_SCHEMA);
  const wants = asksFor(approval);
  const payload = wants && "body" in given.made ? { value: given.made.body } : null;
  const decide = useDecide(approval, onDecided);
  const isPending = approval.status === "pending";
  const isUnknown = approval.kind === "unknown_effect";
  const left = msLeft(approval, Date.now());
  const ready = isPending && mayDecide && !decide.isPending;
  useEffect(() => {
    if (!isCurrent || !ready || asking || isUnknown) return;
    const press = (event: KeyboardEvent) => {
      if (isTyping(event) || event.metaKey || event.ctrlKey || event.altKey) return;
      if (event.key === "a" && !approval.consent && !wants) decide.mutate({ decision: "approve" });
      if (event.key === "d") {
        event.preventDefault();
        setAsking("reject");
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [isCurrent, ready, asking, isUnknown, decide, approval.consent, wants]);
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
      {isPending && mayDecide && wants && (
        <FaultsOf value={decide.isError ? failureOf(decide.error).faults : []}>
          <SchemaForm of={given} pointer="/payload" label="Answer" />
        </FaultsOf>
      )}
      {decide.isError && <ProblemNote error={decide.error} />}
      {isPending && (mayDecide || approval.consent) && (
        <div className={cx("row wrap", s.buttons)}>
          {approval.consent && <ConsentLink of={approval.consent} subject={approval.requested_by} />}
          {mayDecide && (
            <Words
              of={approval}
              by={decide}
              isCurrent={isCurrent}
              ready={ready}
              payload={payload}
              ask={setAsking}
            />
          )}
        </div>
      )}
      {isPending && !mayDecide && !approval.consent && (
        <p className="small dim">
          <Icon name="lock" small /> Deciding needs{" "}
          <code>{may ? approval.required_scope : "approval.decide"}</code>.
        </p>
      )}
      {asking && <Ask asking={asking} approval={approval} by={decide} onClose={() => setAsking(null)} />}
    </article>
  );
}
