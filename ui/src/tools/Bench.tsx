import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useRunEvents } from "../api/events";
import { useMay } from "../api/me";
import { failureOf } from "../api/problem";
import type { components } from "../api/schema";
import type { Run } from "../api/types";
import { Button, buttonClass } from "../kit/Button";
import { Json } from "../kit/Code";
import { FaultsOf } from "../kit/Field";
import { duration } from "../kit/format";
import { KindMark, StatusMark } from "../kit/Marks";
import { Note, ProblemNote, Skeleton } from "../kit/Messages";
import { Panes } from "../kit/Page";
import { Time } from "../kit/Time";
import { Decisions } from "../parts/Decisions";
import { factsOf, kindOf } from "../parts/events";
import { SchemaForm, useArguments } from "../parts/SchemaForm";
import type { Schema } from "../parts/schema";
import { callQuery, callsQuery, callTool, stopCall } from "./queries";
import s from "./Tools.module.css";

type Interface = components["schemas"]["ToolInterface"];

const route = getRouteApi("/tools/$name");

/** A tool by itself: arguments by its schema, what came of them, and the calls before. Which call is shown stands in the URL. */
export function Bench({ tool }: { tool: Interface }) {
  const { run } = route.useSearch();
  const navigate = route.useNavigate();
  const queries = useQueryClient();
  const mayCall = useMay("tool.execute");
  const given = useArguments(tool.input_schema as Schema);
  const call = useMutation({
    mutationFn: (input: Record<string, unknown>) => callTool(tool.id, input),
    onSuccess: (begun) => {
      navigate({ search: (before) => ({ ...before, run: begun.id }), replace: true });
      queries.invalidateQueries({ queryKey: ["runs", "calls", tool.name] });
    },
  });
  const faults = call.isError ? failureOf(call.error).faults : [];
  return (
    <Panes label="Earlier calls" aside={<Earlier name={tool.name} shown={run} />}>
      <div className={s.bench}>
        <FaultsOf value={faults}>
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault();
              if ("body" in given.made) call.mutate(given.made.body);
            }}
          >
            <SchemaForm of={given} pointer="/input" />
            {call.isError && <ProblemNote error={call.error} known={["/input"]} />}
            {!tool.is_active && <Note look="warn" title="It is inactive: calls are refused" />}
            <div className="row wrap">
              <Button
                type="submit"
                look="primary"
                icon="play"
                disabled={!mayCall || "errors" in given.made}
                busy={call.isPending && "Calling…"}
              >
                Call tool
              </Button>
              <span className="dim small">
                {mayCall
                  ? `As you, ${tool.version ? `version ${tool.version} as it is saved` : "as it is in the code"}. What it does, it does for real.`
                  : "Calling tools needs tool.execute."}
              </span>
            </div>
          </form>
        </FaultsOf>
        {run && <Called key={run} id={run} onAgain={given.put} />}
      </div>
    </Panes>
  );
}

/** One call: how it went, what came of it, and each thing that happened with its time. */
function Called({ id, onAgain }: { id: string; onAgain: (input: unknown) => void }) {
  const mayDecide = useMay("approval.decide");
  const call = useQuery(callQuery(id));
  const { events } = useRunEvents(id);
  if (call.isPending) return <Skeleton rows={3} />;
  if (call.isError) return <ProblemNote error={call.error} retry={() => call.refetch()} />;
  const run = call.data;
  const isOver = Boolean(run.finished_at);
  const begun = events[0]?.at ?? run.created_at;
  return (
    <section className="stack" aria-label="This call">
      <div className="row wrap">
        <h2>This call</h2>
        <StatusMark status={run.status} />
        <Took run={run} />
        <span className="end row">
          {!isOver && (
            <Button small icon="circle-stop" onClick={() => stopCall(id)}>
              Stop
            </Button>
          )}
          <Button small onClick={() => onAgain(run.input)}>
            Use its arguments
          </Button>
          <Link to="/runs/$id" params={{ id }} className={buttonClass("plain", true)}>
            Open run
          </Link>
        </span>
      </div>
      {run.status === "suspended" && <Decisions runId={id} mayDecide={mayDecide} />}
      {run.error && <Note look="bad" title={run.error.message} />}
      {isOver && !run.error && <Json value={run.output ?? null} title="Result" />}
      <Json value={run.input} title="Arguments" />
      <ol className={s.steps} aria-label="What happened">
        {events.map((it) => (
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

function Took({ run }: { run: Pick<Run, "started_at" | "finished_at"> }) {
  if (!run.started_at || !run.finished_at) return null;
  return (
    <span className="dim small tnum">
      {duration(Date.parse(run.finished_at) - Date.parse(run.started_at))}
    </span>
  );
}

function Earlier({ name, shown }: { name: string; shown: string | undefined }) {
  const calls = useQuery(callsQuery(name));
  return (
    <section className="stack">
      <h2>Earlier calls</h2>
      {calls.isError && <ProblemNote error={calls.error} retry={() => calls.refetch()} />}
      {calls.data?.data.length === 0 && (
        <p className="small dim">
          Nobody has called it by itself yet. What agents call stands in their runs.
        </p>
      )}
      <ul className={s.calls}>
        {calls.data?.data.map((it) => (
          <li key={it.id} data-on={it.id === shown || undefined}>
            <Link
              to="/tools/$name"
              params={{ name }}
              search={{ run: it.id }}
              aria-current={it.id === shown ? "true" : undefined}
            >
              <StatusMark status={it.status} />
            </Link>
            <span className="end row">
              <Took run={it} />
              {it.definition.version > 0 && <span className="dim small">v{it.definition.version}</span>}
              <span className="dim small">
                <Time at={it.created_at} />
              </span>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
