import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "../api/me";
import { isOver } from "../api/runs";
import type { Run, RunEvent, Status } from "../api/types";
import { type Entry, idOf, isObject, textOf } from "../graph/entry";
import type { EntryState } from "../graph/state";
import { markOf, whatOf } from "../graph/words";
import { Button, buttonClass } from "../kit/Button";
import { Json } from "../kit/Code";
import { SelectField } from "../kit/Field";
import { duration } from "../kit/format";
import { Icon } from "../kit/Icon";
import { KindMark, StatusMark } from "../kit/Marks";
import { Note } from "../kit/Messages";
import { Facts } from "../kit/Page";
import { Clock } from "../kit/Time";
import { factsOf } from "../parts/events";
import type { Execution } from "./entries";
import { waitWords } from "./entryStates";
import { ForkWorkflow } from "./ForkWorkflow";
import { inputQuery } from "./queries";
import { SendEvent } from "./SendEvent";

interface Props {
  entry: Entry;
  /** It makes up for another one. */
  makesUp: boolean;
  state: EntryState | undefined;
  /** Its own, in the order in which they began. */
  executions: readonly Execution[];
  turn: string | undefined;
  run: Run;
  all: ReadonlyMap<string, Execution>;
}

/** What is known of one entry: how it went, each time that it was begun, and what can be done from there. */
export function EntryDetails({ entry, makesUp, state, executions, turn, run, all }: Props) {
  const [isForking, setForking] = useState(false);
  const mayBegin = useMay("workflow.execute");
  const shown = executions.find((it) => it.turn === turn) ?? worst(executions);
  const canFork = mayBegin && !makesUp && executions.some((it) => it.turn === null);
  return (
    <>
      <div className="row">
        <KindMark kind={markOf(entry.type)} />
        <h2 className="cut">{idOf(entry)}</h2>
        <span className="dim end nowrap">{WORDS[state?.status ?? "todo"]}</span>
      </div>
      <p className="sub">{whatOf(entry)}</p>
      {executions.length > 1 && <Turns executions={executions} shown={shown} />}
      {shown ? (
        <Shown of={shown} entry={entry} isOver={isOver(run.status)} />
      ) : (
        <p className="small dim">
          {state?.status === "skipped" ? "It was not begun in this run." : "It has not begun yet."}
        </p>
      )}
      {canFork && (
        <div className="row wrap">
          <Button icon="git-fork" onClick={() => setForking(true)}>
            Fork from here…
          </Button>
        </div>
      )}
      {shown && <Events events={shown.events} />}
      {isForking && <ForkWorkflow run={run} all={all} from={idOf(entry)} onClose={() => setForking(false)} />}
    </>
  );
}

const WORDS: Record<EntryState["status"] | "todo", string> = {
  todo: "to come",
  waiting: "waits",
  running: "runs",
  done: "done",
  failed: "failed",
  skipped: "skipped",
  canceled: "given up",
};

/** What somebody looks for first: what failed, else the newest. */
const worst = (executions: readonly Execution[]) =>
  executions.findLast((it) => it.attempts.at(-1)?.end?.status === "failed") ?? executions.at(-1);

const MOST = 200;
const route = getRouteApi("/runs/$id");

/** Which of the turns is shown: of very many those that failed, and the newest. */
function Turns({ executions, shown }: { executions: readonly Execution[]; shown: Execution | undefined }) {
  const navigate = route.useNavigate();
  const isFailed = (it: Execution) => it.attempts.at(-1)?.end?.status === "failed";
  const from = executions.length - MOST;
  const few = executions.filter((it, at) => at >= from || isFailed(it) || it === shown).slice(-2 * MOST);
  const word = (it: Execution) => {
    const end = it.attempts.at(-1)?.end;
    return end ? `${end.status}, ${duration(end.tookMs)}` : "goes on";
  };
  return (
    <SelectField
      label="Turn"
      hint={few.length < executions.length ? `${few.length} of ${executions.length} are listed.` : undefined}
      value={shown?.turn ?? ""}
      options={few.map((it) => [it.turn ?? "", `${it.turn} · ${word(it)}`] as const)}
      onChange={(turn) => navigate({ search: (before) => ({ ...before, turn }), replace: true })}
    />
  );
}

function Shown({ of, entry, isOver }: { of: Execution; entry: Entry; isOver: boolean }) {
  const last = of.attempts.at(-1);
  const end = last?.end;
  const waits = of.waits;
  return (
    <>
      {end?.error && (
        <Note look={end.error.kind === "canceled" ? "plain" : "bad"} title={end.error.message} />
      )}
      {waits && !isOver && <Waits of={of} entry={entry} />}
      <Facts
        facts={[
          ["Begun", last && <Clock at={last.startedAt} />],
          ["Took", end ? duration(end.tookMs) : isOver ? null : "goes on"],
          ["Attempts", of.attempts.length > 1 ? of.attempts.length : null],
          ["Kind of error", end?.error?.kind],
          [
            "Decided",
            of.approval?.decision && `${of.approval.decision} by ${of.approval.by ?? "nobody, in time"}`,
          ],
        ]}
      />
      {of.run && (
        <div className="row wrap">
          <Link to="/runs/$id" params={{ id: of.run.id }} className={buttonClass()}>
            Open the run below
          </Link>
          {of.run.status && <StatusMark status={of.run.status as Status} />}
        </div>
      )}
      {of.attempts.length > 1 && <Attempts of={of} />}
      {of.input ? <Json value={of.input.value} title="Input" /> : of.run && <InputOfRun id={of.run.id} />}
      {end && !end.error && <Json value={end.output} title="Output" />}
    </>
  );
}

function Waits({ of, entry }: { of: Execution; entry: Entry }) {
  const [isSending, setSending] = useState(false);
  const maySend = useMay("workflow.execute");
  const { waits } = of;
  const words = waitWords(of, entry, new Date());
  if (!words || !waits) return null;
  const isEvent = waits.kind === "event";
  return (
    <>
      <Note look="warn" title={`It ${words}`}>
        {isEvent && waits.key && (
          <>
            With the key <code>{waits.key}</code>.
          </>
        )}
        {waits.kind === "approval" && "What it asks stands above."}
      </Note>
      {isEvent && maySend && (
        <div className="row wrap">
          <Button icon="zap" onClick={() => setSending(true)}>
            Send the event…
          </Button>
        </div>
      )}
      {isEvent && isSending && (
        <SendEvent
          name={textOf(entry.event) || (waits.name ?? "")}
          waitsFor={waits.key}
          schema={isObject(entry.schema) ? entry.schema : null}
          onClose={() => setSending(false)}
        />
      )}
    </>
  );
}

/** What an agent or a workflow was given, its own run says. */
function InputOfRun({ id }: { id: string }) {
  const input = useQuery(inputQuery(id));
  return input.data === undefined ? null : <Json value={input.data} title="Input" />;
}

function Attempts({ of }: { of: Execution }) {
  return (
    <section>
      <h2>Attempts</h2>
      <ol>
        {of.attempts.map((it) => (
          <li key={it.seq} className="row small" style={{ minHeight: 26 }}>
            <Icon name={it.end?.error ? "octagon-x" : it.end ? "check" : "loader-circle"} small />
            <Clock at={it.startedAt} />
            <span className="cut dim">{it.end ? (it.end.error?.message ?? it.end.status) : "goes on"}</span>
            {it.end && <span className="end tnum nowrap">{duration(it.end.tookMs)}</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}

function Events({ events }: { events: readonly RunEvent[] }) {
  return (
    <section>
      <h2>Its events</h2>
      {events.length > MOST && (
        <p className="small dim">
          The last {MOST} of {events.length}.
        </p>
      )}
      <ul>
        {events.slice(-MOST).map((it) => (
          <li key={it.seq} className="row small" style={{ minHeight: 26 }}>
            <span className="id">{it.seq}</span>
            <code className="nowrap">{it.type}</code>
            <span className="cut dim">{factsOf(it)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
