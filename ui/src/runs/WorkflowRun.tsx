import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo } from "react";
import { useMay } from "../api/me";
import type { RunEvent, Tree, WaitingFor } from "../api/types";
import { allOf, type Entry, idOf } from "../graph/entry";
import { Graph } from "../graph/Graph";
import { Icon } from "../kit/Icon";
import { Note, Skeleton } from "../kit/Messages";
import { Body, Panes } from "../kit/Page";
import { Clock } from "../kit/Time";
import { EntryDetails } from "./EntryDetails";
import { executionsOf } from "./entries";
import { byEntry, entriesSeen, statesOf } from "./entryStates";
import { isOver, workflowAtQuery } from "./queries";
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
  const executions = useMemo(() => executionsOf(events), [events]);
  const own = useMemo(() => byEntry(executions), [executions]);
  const isKnown = definition.data !== undefined;
  const steps = useMemo(
    () => (definition.data?.steps as Entry[] | undefined) ?? entriesSeen(executions),
    [definition.data, executions],
  );
  const states = useMemo(
    () => statesOf(steps, executions, isOver(run.status), new Date()),
    [steps, executions, run.status],
  );
  const entry = useMemo(() => allOf(steps).find((it) => idOf(it.entry) === chosen)?.entry, [steps, chosen]);
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
        entry ? (
          <EntryDetails
            key={chosen}
            entry={entry}
            state={states[chosen ?? ""]}
            executions={own.get(chosen ?? "") ?? []}
            turn={turn}
            run={run}
            events={events}
            all={executions}
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
      return "a run below";
    case "consent":
      return `its person, for ${it.upstream}`;
    default:
      return "a person's decision";
  }
}
