import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMay } from "../api/me";
import { failureOf } from "../api/problem";
import type { components } from "../api/schema";
import { Button } from "../kit/Button";
import { FaultsOf } from "../kit/Field";
import { StatusMark } from "../kit/Marks";
import { Note, ProblemNote } from "../kit/Messages";
import { Panes } from "../kit/Page";
import { Time } from "../kit/Time";
import { Called, Took } from "../parts/Called";
import { SchemaForm, useArguments } from "../parts/SchemaForm";
import type { Schema } from "../parts/schema";
import { callsQuery, callTool } from "./queries";
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
