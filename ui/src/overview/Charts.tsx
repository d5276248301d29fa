import { useState } from "react";
import type { Stats } from "../api/types";
import { Button } from "../kit/Button";
import { Chart, TimeAxis } from "../kit/Chart";
import { count, duration, money, tokens } from "../kit/format";
import { type Column, Table } from "../kit/Table";
import { percent, share } from "./figures";
import s from "./Overview.module.css";
import { SPANS, type SpanName } from "./search";

type Point = Stats["points"][number];

/** What happened over time: rows with one time axis and one crosshair. Their numbers are a table. */
export function Charts({ stats, span }: { stats: Stats; span: SpanName }) {
  const [at, setAt] = useState<number | null>(null);
  const [hasNumbers, setNumbers] = useState(false);
  const { points, total } = stats;
  const point = at === null ? null : (points[at] ?? null);
  const shown = point ?? total;
  const when = point ? `at ${timeOf(point.at, span)}` : `in ${SPANS[span].words}`;
  const bad = points.map((it) => it.failed + it.timed_out);
  const most = Math.max(0, ...points.map((it) => it.runs));
  const shared = { at, onAt: setAt };
  const all = (read: (it: Point) => number) => points.map(read);
  return (
    <section aria-label={`Figures of ${SPANS[span].words}`}>
      <Chart
        {...shared}
        title={`Runs per ${stepWords(stats.step_ms)}`}
        figure={
          <>
            {count(shown.runs)} <small>{when}</small>
          </>
        }
        legend={[
          ["plain", "ended well"],
          ["bad", "failed"],
        ]}
        series={{ kind: "bars", values: points.map((it, step) => it.runs - (bad[step] ?? 0)), bad }}
        write={count}
        label={`Runs per ${stepWords(stats.step_ms)}: ${count(total.runs)} in all, ${count(most)} at most, ${count(total.failed + total.timed_out)} of them failed`}
      />
      <Chart
        {...shared}
        title="Time to the answer"
        figure={
          shown.p50_ms === null || shown.p50_ms === undefined ? (
            <>
              – <small>{when}</small>
            </>
          ) : (
            <>
              {duration(shown.p50_ms)} <small>p50 {point && when}</small>
            </>
          )
        }
        legend={[
          ["one", "half within"],
          ["two", `95 % within${shown.p95_ms ? ` ${duration(shown.p95_ms)}` : ""}`],
        ]}
        series={{
          kind: "lines",
          values: points.map((it) => it.p50_ms ?? null),
          second: points.map((it) => it.p95_ms ?? null),
        }}
        write={duration}
        label={
          total.p50_ms
            ? `Time to the answer: half within ${duration(total.p50_ms)}, 95 % within ${duration(total.p95_ms ?? 0)}, 99 % within ${duration(total.p99_ms ?? 0)}`
            : "Time to the answer: nothing was answered"
        }
      />
      <Chart
        {...shared}
        title="Tokens"
        figure={
          <>
            {tokens(shown.input_tokens + shown.output_tokens)} <small>{when}</small>
          </>
        }
        series={{ kind: "bars", values: all((it) => it.input_tokens + it.output_tokens) }}
        write={tokens}
        label={`Tokens: ${count(total.input_tokens)} in, ${count(total.output_tokens)} out`}
      />
      <Chart
        {...shared}
        title="Cost"
        figure={
          <>
            {money(shown.cost_usd)} <small>{when}</small>
          </>
        }
        series={{ kind: "bars", values: all((it) => it.cost_usd) }}
        write={money}
        label={`Cost: ${money(total.cost_usd)}`}
      />
      <TimeAxis from={stats.from} to={stats.to} />
      <div className={s.below}>
        {total.unpriced_runs > 0 && (
          <p className="small dim">
            {count(total.unpriced_runs)} runs used models whose price is not known; they are not in the cost.
          </p>
        )}
        <Button small look="quiet" aria-expanded={hasNumbers} onClick={() => setNumbers((it) => !it)}>
          {hasNumbers ? "Hide numbers" : "Show numbers"}
        </Button>
      </div>
      {hasNumbers && (
        <Table
          label="Figures over time"
          columns={columns(span)}
          rows={points.filter((it) => it.runs > 0 || it.input_tokens > 0).reverse()}
          rowKey={(it) => it.at}
        />
      )}
    </section>
  );
}

function timeOf(at: string, span: SpanName): string {
  const time = new Date(at);
  const clock = time.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (span === "1h" || span === "24h") return clock;
  return `${time.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${clock}`;
}

/** `minute`, `15 minutes`, `2 hours`. */
function stepWords(ms: number): string {
  const minutes = ms / 60_000;
  if (minutes === 1) return "minute";
  return minutes < 60 ? `${minutes} minutes` : `${minutes / 60} hours`;
}

const columns = (span: SpanName): Column<Point>[] => [
  { head: "From", narrow: "title", cell: (it) => <span className="tnum">{timeOf(it.at, span)}</span> },
  { head: "Runs", end: true, narrow: "end", cell: (it) => count(it.runs) },
  {
    head: "Succeeded",
    end: true,
    cell: (it) => {
      const part = share(it);
      return part === null ? "" : percent(part);
    },
  },
  { head: "p50", end: true, cell: (it) => (it.p50_ms ? duration(it.p50_ms) : "") },
  { head: "p95", end: true, cell: (it) => (it.p95_ms ? duration(it.p95_ms) : "") },
  { head: "p99", end: true, cell: (it) => (it.p99_ms ? duration(it.p99_ms) : "") },
  { head: "Tokens in", end: true, cell: (it) => count(it.input_tokens) },
  { head: "Tokens out", end: true, cell: (it) => count(it.output_tokens) },
  { head: "Cost", end: true, narrow: "line", cell: (it) => money(it.cost_usd) },
];
