import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo, useRef, useState } from "react";
import { useMay } from "../api/me";
import { isOver } from "../api/runs";
import type { RunEvent, Tree, WaitingFor } from "../api/types";
import { allOf, type Entry, idOf } from "../graph/entry";
import { Graph } from "../graph/Graph";
import type { States } from "../graph/state";
import { shortId } from "../kit/format";
import { Icon } from "../kit/Icon";
import { Note, Skeleton } from "../kit/Messages";
import { Body, Panes } from "../kit/Page";
import { Clock } from "../kit/Time";
import { EntryDetails } from "./EntryDetails";
import { logReader } from "./entries";
import { entriesSeen, keptStates, statesOf } from "./entryStates";
import { workflowAtQuery } from "./queries";
import { RunFacts } from "./RunFacts";
import s from "./Runs.module.css";

// Data flows one way: the events → entries.ts → entryStates.ts → the graph, which is of the version that the run has.
// Which entry is chosen, and which of its turns, stands in the URL.

const route = getRouteApi("/runs/$id");

/** How far each entry of a workflow is, on its graph; live as long as the run goes on. */
export default function WorkflowRun({ tree, events }: { tree: Tree; events: readonly RunEvent[] }) {
  const { run } = tree;
  const { entry: chosen, turn } = route.useSearch();
  const navigate = route.useNavigate();
  const maySee = useMay("workflow.write", "admin.read");
  const definition = useQuery({ ...workflowAtQuery(run.definition), enabled: maySee });
  const [read] = useState(logReader);
  const executions = useMemo(() => read(events), [read, events]);
  const isKnown = definition.data !== undefined;
  // biome-ignore lint/correctness/useExhaustiveDependencies: others have been seen
  const steps = useMemo(
    () => (definition.data?.steps as Entry[] | undefined) ?? entriesSeen(executions),
    [definition.data, executions.of.size],
  );
  const kept = useRef<States>({});
  const states = useMemo(() => {
    kept.current = keptStates(kept.current, statesOf(steps, executions, isOver(run.status), new Date()));
    return kept.current;
  }, [steps, executions, run.status]);
  const open = useMemo(() => allOf(steps).find((it) => idOf(it.entry) === chosen), [steps, chosen]);
  const choose = (id: string | undefined) =>
    navigate({ search: (before) => ({ ...before, entry: id, turn: undefined }), replace: true });
  if (definition.isLoading) {
    return (
      <Body>
        <Skeleton />
      </Body>
    );
  }
  return (
    <Panes
      label="Details"
      aside={
        open ? (
          <EntryDetails
            key={chosen}
            entry={open.entry}
            makesUp={open.makesUp}
            state={states[chosen ?? ""]}
            executions={executions.of.get(chosen ?? "") ?? []}
            turn={turn}
            run={run}
            all={executions.all}
          />
        ) : (
          <>
            <WaitsFor waits={run.waiting_for} />
            <RunFacts tree={tree} hint="Choose an entry to see what it was given and what it gave." />
          </>
        )
      }
    >
      <div className={s.graph}>
        {!isKnown && (
          <Note title="These are the entries that have begun, one after the other">
            {maySee
              ? `Version ${run.definition.version} of the workflow cannot be read any more.`
              : "The workflow itself is shown to those who hold workflow.write or admin.read."}
          </Note>
        )}
        <Graph
          steps={steps}
          states={states}
          selected={chosen}
          onSelect={(id) => choose(id === chosen ? undefined : id)}
        />
      </div>
    </Panes>
  );
}

/** What goes on with a run that waits. */
function WaitsFor({ waits }: { waits: readonly WaitingFor[] }) {
  if (waits.length === 0) return null;
  return (
    <section className="stack" aria-label="Waits for">
      <h2>Waits for</h2>
      <ul>
        {waits.map((it) => (
          <li key={JSON.stringify(it)} className="row">
            <Icon name={it.kind === "approval" || it.kind === "consent" ? "stamp" : "hourglass"} small />
            <span>{waitOf(it)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function waitOf(it: WaitingFor) {
  switch (it.kind) {
    case "timer":
      return (
        <>
          a time: <Clock at={it.until} />
        </>
      );
    case "event":
      return (
        <>
          the event <code>{it.name}</code>
          {it.key && (
            <>
              {" "}
              of <code>{it.key}</code>
            </>
          )}
        </>
      );
    case "child":
      return (
        <Link to="/runs/$id" params={{ id: it.run_id }}>
          the run {shortId(it.run_id)} below
        </Link>
      );
    case "consent":
      return `its person, for ${it.upstream}`;
    default:
      return "a person's decision";
  }
}
