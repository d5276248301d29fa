import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useRunEvents } from "../api/events";
import { useMay } from "../api/me";
import { cancelRun, isOver, runQuery } from "../api/runs";
import type { Run } from "../api/types";
import { Button, buttonClass } from "../kit/Button";
import { Json } from "../kit/Code";
import { Refused } from "../kit/FormDialog";
import { count, duration } from "../kit/format";
import { KindMark, StatusMark } from "../kit/Marks";
import { Note, ProblemNote, Skeleton } from "../kit/Messages";
import s from "./Called.module.css";
import { Decisions } from "./Decisions";
import { factsOf, isAsking, kindOf } from "./events";
import { useAct } from "./useAct";

/** So many events are shown; its own page has them all. */
const MOST = 200;

/** One call: how it went, what came of it, and each thing that happened with its time. */
export function Called({ id, onAgain }: { id: string; onAgain?: (input: unknown) => void }) {
  const mayDecide = useMay("approval.decide");
  const mayStop = useMay("run.write", "agent.execute", "tool.execute", "workflow.execute");
  const stop = useAct(() => cancelRun(id), { keys: ["runs"] });
  const call = useQuery(runQuery(id));
  const { events } = useRunEvents(id);
  if (call.isPending) return <Skeleton rows={3} />;
  if (call.isError) return <ProblemNote error={call.error} retry={() => call.refetch()} />;
  const run = call.data;
  const isDone = isOver(run.status);
  const begun = events[0]?.at ?? run.created_at;
  return (
    <section className="stack" aria-label="This call">
      <div className="row wrap">
        <h2>This call</h2>
        <StatusMark status={run.status} />
        <Took run={run} />
        <span className="end row">
          {!isDone && mayStop && (
            <Button
              small
              icon="circle-stop"
              busy={stop.isPending && "Stopping…"}
              onClick={() => stop.mutate()}
            >
              Stop
            </Button>
          )}
          {onAgain && (
            <Button small onClick={() => onAgain(run.input)}>
              Use its arguments
            </Button>
          )}
          <Link to="/runs/$id" params={{ id }} className={buttonClass("plain", true)}>
            Open run
          </Link>
        </span>
      </div>
      <Refused title="It was not stopped" of={stop} />
      {!isDone && (run.status === "suspended" || isAsking(events)) && (
        <Decisions run={run} mayDecide={mayDecide} />
      )}
      {run.error && <Note look="bad" title={run.error.message} />}
      {isDone && !run.error && <Json value={run.output ?? null} title="Result" />}
      <Json value={run.input} title="Arguments" />
      {events.length > MOST && (
        <p className="small dim">
          The last {MOST} of{" "}
          <Link to="/runs/$id" params={{ id }} search={{ tab: "events" }}>
            {count(events.length)} events
          </Link>
        </p>
      )}
      <ol className={s.steps} aria-label="What happened">
        {events.slice(-MOST).map((it) => (
          <li key={it.seq}>
            <KindMark kind={kindOf(it)} />
            <code className="nowrap">{it.type}</code>
            <span className="cut dim grow" dir="auto">
              {factsOf(it)}
            </span>
            <span className="dim tnum nowrap">+{duration(Date.parse(it.at) - Date.parse(begun))}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** How long a run took that is over. */
export function Took({ run }: { run: Pick<Run, "started_at" | "finished_at"> }) {
  if (!run.started_at || !run.finished_at) return null;
  return (
    <span className="dim small tnum">
      {duration(Date.parse(run.finished_at) - Date.parse(run.started_at))}
    </span>
  );
}
