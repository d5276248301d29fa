import { Link } from "@tanstack/react-router";
import { isOver } from "../api/runs";
import type { Tree } from "../api/types";
import { Copy } from "../kit/Button";
import { duration, money, shortId, tokens } from "../kit/format";
import { Facts } from "../kit/Page";
import { Clock } from "../kit/Time";
import { sharesOf, type Wait } from "./layout";
import { tookMs } from "./rows";

/** What happened, said in a sentence with its figures. */
export function Sentence({ tree, waits }: { tree: Tree; waits: readonly Wait[] }) {
  const { run, usage } = tree;
  const now = Date.now();
  const took = tookMs(run, now);
  const shares = sharesOf(tree.spans, waits, now);
  const used = usage.input_tokens + usage.output_tokens;
  return (
    <p>
      {took === null
        ? "Waits in the queue."
        : `${isOver(run.status) ? "Took" : "Has taken"} ${duration(took)}${isOver(run.status) ? "" : " so far"}`}
      {shares.length > 0 && (
        <>
          {": "}
          {shares.map(([what, ms], at) => (
            <span key={what} className={at === 0 ? "strong" : undefined}>
              {at > 0 && ", "}
              {duration(ms)} {what}
            </span>
          ))}
        </>
      )}
      {took !== null && ". "}
      {used > 0 &&
        `${tokens(used)} tokens${usage.cost_usd === null || usage.cost_usd === undefined ? "" : ` for ${money(usage.cost_usd)}`}. `}
      Begun by <span title={run.subject}>{shortId(run.subject.replace(/^\w+:/, ""))}</span> at{" "}
      <Clock at={run.created_at} />.
    </p>
  );
}

/** All that is known of a run as a whole. `hint`: what can be chosen beside it. */
export function RunFacts({ tree, hint }: { tree: Tree; hint: string }) {
  const { run, usage } = tree;
  const link = (id: string) => (
    <Link to="/runs/$id" params={{ id }} className="id">
      {shortId(id)}
    </Link>
  );
  return (
    <>
      <Facts
        facts={[
          [
            "Id",
            <span key="id" className="row">
              <code className="small cut">{run.id}</code> <Copy text={run.id} what="id" />
            </span>,
          ],
          [
            "Workflow",
            run.kind === "workflow" && (
              <Link key="w" to="/workflows/$workflowId" params={{ workflowId: run.definition.name }}>
                {run.definition.name}
              </Link>
            ),
          ],
          [run.kind === "workflow" ? "Entries" : "Turns", `${run.steps} of ${run.limits.max_steps}`],
          [
            "Tokens in",
            `${tokens(usage.input_tokens)}${usage.cached_tokens ? `, ${tokens(usage.cached_tokens)} from cache` : ""}`,
          ],
          [
            "Tokens out",
            `${tokens(usage.output_tokens)}${usage.reasoning_tokens ? `, ${tokens(usage.reasoning_tokens)} to think` : ""}`,
          ],
          [
            "Cost",
            usage.cost_usd === null || usage.cost_usd === undefined ? "unknown" : money(usage.cost_usd),
          ],
          ["Time limit", run.limits.timeout_ms ? duration(run.limits.timeout_ms) : null],
          [
            "Caller",
            <code key="s" className="small">
              {run.subject}
            </code>,
          ],
          ["Client", run.client_id],
          ["Trigger", run.trigger === "api" ? null : run.trigger],
          ["End user", run.user],
          [
            "Thread",
            run.thread_id && (
              <Link key="t" to="/runs" search={{ thread: run.thread_id }} className="id">
                {shortId(run.thread_id)}
              </Link>
            ),
          ],
          ["Began by", run.parent_run_id && link(run.parent_run_id)],
          ["Forked from", run.forked_from && link(run.forked_from)],
          ["Taken up", run.attempt > 1 ? `${run.attempt} times` : null],
        ]}
      />
      <p className="small dim">{hint}</p>
    </>
  );
}
