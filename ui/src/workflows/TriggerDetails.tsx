import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { listedPages } from "../api/pages";
import type { Firing, TriggerState } from "../api/types";
import { Button, Copy } from "../kit/Button";
import { Json } from "../kit/Code";
import { Icon } from "../kit/Icon";
import type { IconName } from "../kit/icons";
import { Note, ProblemNote, Skeleton } from "../kit/Messages";
import { Facts } from "../kit/Page";
import { Moment, Time } from "../kit/Time";
import s from "./Live.module.css";
import { firingsQuery, newestFiringsQuery } from "./queries";
import { cameOf, missedOf, whatOf } from "./trigger";

interface Props {
  workflow: { id: string; name: string };
  trigger: TriggerState;
}

/** One trigger: where it is called or when it happens, and what came of it so far. */
export function TriggerDetails({ workflow, trigger }: Props) {
  return (
    <>
      <h2>{trigger.id}</h2>
      {trigger.problem && <Note look="bad" title={trigger.problem} />}
      {trigger.paused && (
        <Note look="warn" title="It is paused">
          {trigger.paused_at && (
            <>
              Since <Moment at={trigger.paused_at} />.{" "}
            </>
          )}
          What happens meanwhile begins no run.
        </Note>
      )}
      <p className="sub">{whatOf(trigger)}</p>
      {trigger.url && (
        <div className={s.url}>
          <code className="small">{trigger.url}</code>
          <Copy text={trigger.url} what="URL" />
        </div>
      )}
      <Facts
        facts={[
          ["Type", trigger.type],
          ["Method", trigger.url ? (trigger.method ?? "POST") : null],
          ["Time zone", trigger.timezone],
          ["Missed times", trigger.type === "cron" ? missedOf(trigger) : null],
        ]}
      />
      {trigger.next_at.length > 0 && (
        <section className="stack">
          <h2>Next, by your clock</h2>
          <ol aria-label="Next">
            {trigger.next_at.map((at) => (
              <li key={at} className="row">
                <Moment at={at} />
                <span className="end dim small">
                  <Time at={at} />
                </span>
              </li>
            ))}
          </ol>
        </section>
      )}
      {trigger.input !== undefined && trigger.input !== null && <Json value={trigger.input} title="Input" />}
      <History workflow={workflow} trigger={trigger} />
    </>
  );
}

function History({ workflow, trigger }: Props) {
  useQuery(newestFiringsQuery(workflow.id, trigger.id));
  const { rows, isPending, error, refetch, more } = listedPages(
    useInfiniteQuery(firingsQuery(workflow.id, trigger.id)),
  );
  return (
    <section className="stack" aria-label="History">
      <h2>History</h2>
      {isPending && <Skeleton rows={3} />}
      {error !== null && <ProblemNote error={error} retry={refetch} />}
      {!isPending && error === null && rows.length === 0 && (
        <p className="small dim">It has not begun a run yet.</p>
      )}
      <ol className={s.runs}>
        {rows.map((it) => (
          <Fired key={it.id} it={it} />
        ))}
      </ol>
      {more && (
        <p>
          <Button small busy={more.isLoading && "Reading…"} onClick={more.load}>
            Older
          </Button>
        </p>
      )}
    </section>
  );
}

const ICON: Record<Firing["status"], IconName> = { started: "check", skipped: "ban", refused: "octagon-x" };

function Fired({ it }: { it: Firing }) {
  return (
    <li>
      <Icon name={ICON[it.status]} small />
      {it.run_id ? (
        <Link to="/runs/$id" params={{ id: it.run_id }} title={it.by ?? undefined}>
          {cameOf(it)}
        </Link>
      ) : (
        <span className="grow" dir="auto">
          {cameOf(it)}
        </span>
      )}
      <span className="end dim small nowrap">
        <Time at={it.fired_at} />
      </span>
    </li>
  );
}
