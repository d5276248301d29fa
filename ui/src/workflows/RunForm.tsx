import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "../api/me";
import { failureOf } from "../api/problem";
import type { WorkflowInterface } from "../api/types";
import { Button } from "../kit/Button";
import { CodeField } from "../kit/CodeField";
import { FaultsOf } from "../kit/Field";
import { parseObject } from "../kit/json";
import { StatusMark } from "../kit/Marks";
import { Note, ProblemNote } from "../kit/Messages";
import { Panes } from "../kit/Page";
import { Time } from "../kit/Time";
import { Called, Took } from "../parts/Called";
import { SchemaForm, useAny } from "../parts/SchemaForm";
import { Snippet } from "../parts/Snippet";
import type { Schema } from "../parts/schema";
import s from "./Live.module.css";
import { executeWorkflow, lastRunsQuery } from "./queries";

interface Props {
  workflow: WorkflowInterface;
  /** The run that is shown. */
  run: string | undefined;
  onRun: (id: string | undefined) => void;
}

const ANY: Schema = {};

/** Runs a workflow with an input that is typed, and shows what comes of it; beside it the runs before. */
export function RunForm({ workflow, run, onRun }: Props) {
  const queries = useQueryClient();
  const mayRun = useMay("workflow.execute");
  const given = useAny((workflow.input_schema as Schema | null) ?? ANY);
  const [context, setContext] = useState("");
  const read = parseObject(context);
  const begin = useMutation({
    mutationFn: (body: Parameters<typeof executeWorkflow>[1]) => executeWorkflow(workflow.id, body),
    onSuccess: (begun) => {
      onRun(begun.id);
      queries.invalidateQueries({ queryKey: ["runs", "workflow", workflow.name] });
    },
  });
  const isReadable = "body" in given.made && "value" in read;
  const body = {
    input: "body" in given.made ? given.made.body : {},
    ...("value" in read && read.value && { context: read.value }),
  };
  return (
    <Panes
      label="Earlier runs"
      aside={
        <>
          <Earlier name={workflow.name} shown={run} onRun={onRun} />
          <Snippet of={{ kind: "workflows", name: workflow.name }} body={body} />
        </>
      }
    >
      <div className={s.bench}>
        <FaultsOf value={begin.isError ? failureOf(begin.error).faults : []}>
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault();
              if (isReadable) begin.mutate(body);
            }}
          >
            <SchemaForm of={given} pointer="/input" label="Input" />
            <details open={context !== ""}>
              <summary className="sub">With a context…</summary>
              <CodeField
                label="Context"
                optional
                rows={3}
                hint="A JSON object, which entries read at /context."
                pointer="/context"
                error={"error" in read ? read.error : undefined}
                value={context}
                onChange={setContext}
              />
            </details>
            {begin.isError && <ProblemNote error={begin.error} known={["/input", "/context"]} />}
            {!workflow.is_active && <Note look="warn" title="It is inactive: nobody can run it" />}
            <div className="row wrap">
              <Button
                type="submit"
                look="primary"
                icon="play"
                disabled={!mayRun || !isReadable}
                busy={begin.isPending && "Beginning…"}
              >
                Run workflow
              </Button>
              <span className="dim small">
                {mayRun
                  ? `As you, version ${workflow.version} as it is saved. What it does, it does for real.`
                  : "Running workflows needs workflow.execute."}
              </span>
            </div>
          </form>
        </FaultsOf>
        {run && <Called key={run} id={run} onAgain={given.put} />}
      </div>
    </Panes>
  );
}

function Earlier({
  name,
  shown,
  onRun,
}: Omit<Props, "workflow" | "run"> & { name: string; shown: string | undefined }) {
  const runs = useQuery(lastRunsQuery(name));
  return (
    <section className="stack">
      <h2>Earlier runs</h2>
      {runs.isError && <ProblemNote error={runs.error} retry={() => runs.refetch()} />}
      {runs.data?.data.length === 0 && <p className="small dim">It has not run yet.</p>}
      <ul className={s.runs}>
        {runs.data?.data.map((it) => (
          <li key={it.id} data-on={it.id === shown || undefined}>
            <Link
              to="/runs/$id"
              params={{ id: it.id }}
              aria-current={it.id === shown ? "true" : undefined}
              onClick={(event) => {
                if (event.metaKey || event.ctrlKey || event.shiftKey) return;
                event.preventDefault();
                onRun(it.id);
              }}
            >
              <StatusMark status={it.status} />
            </Link>
            <span className="end row">
              <Took run={it} />
              <span className="dim small">v{it.definition.version}</span>
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
