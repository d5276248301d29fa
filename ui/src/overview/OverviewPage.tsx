import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { pendingQuery } from "../api/approvals";
import { useMay, useMe } from "../api/me";
import type { Approval, Stats } from "../api/types";
import { buttonClass } from "../kit/Button";
import { count, duration, plural } from "../kit/format";
import { KindMark } from "../kit/Marks";
import { Note, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Facts, Head, LiveDot, Segmented } from "../kit/Page";
import { Time } from "../kit/Time";
import { Charts } from "./Charts";
import { FirstSteps, isAllDone, StepsLeft } from "./FirstSteps";
import { health, kindWords, percent, share } from "./figures";
import { LastRuns } from "./LastRuns";
import s from "./Overview.module.css";
import { statsQuery, stepsQuery } from "./queries";
import { Shares } from "./Shares";
import { SPAN_NAMES, SPANS, type SpanName } from "./search";

const route = getRouteApi("/");

/** Whether it is healthy, and what wants somebody; on an empty server what to do first. */
export function OverviewPage() {
  const { span = "1h" } = route.useSearch();
  const navigate = route.useNavigate();
  const { scopes } = useMe();
  const maySeeAll = useMay("admin.read");
  const steps = useQuery(stepsQuery(scopes));
  const stats = useQuery({ ...statsQuery(span), enabled: maySeeAll });
  const waiting = useQuery({ ...pendingQuery, enabled: useMay("approval.read", "approval.decide") });
  if (steps.data?.run === false && !isAllDone(steps.data)) {
    return (
      <>
        <Head title="Welcome to Agent Server" />
        <Body>
          <p className={s.sentence}>
            Nothing has run here yet. A few steps lead to an agent that answers from your documents and that
            your programs call.
          </p>
          <FirstSteps steps={steps.data} />
        </Body>
      </>
    );
  }
  // All of it comes at once: on a narrow screen one stands above the other.
  const isUnread = [stats, waiting, steps].some((it) => it.isLoading);
  const choose = (
    <Segmented
      label="Time"
      value={span}
      options={SPAN_NAMES.map((it) => [it, it.replace(/(\d+)/, "$1 ")] as const)}
      onChange={(it) =>
        navigate({ search: (before) => ({ ...before, span: it === "1h" ? undefined : it }), replace: true })
      }
    />
  );
  return (
    <>
      <Head
        title="Overview"
        actions={
          maySeeAll && (
            <>
              {choose}
              <LiveDot on={!stats.isError}>{stats.isError ? "Not read" : "Live"}</LiveDot>
            </>
          )
        }
      />
      <Body>
        {isUnread ? (
          <Skeleton rows={8} />
        ) : (
          <>
            {stats.isError && <ProblemNote error={stats.error} retry={() => stats.refetch()} />}
            {steps.isError && <ProblemNote error={steps.error} retry={() => steps.refetch()} />}
            {stats.data && <Sentence stats={stats.data} span={span} />}
            <div className={s.cols}>
              <div className={s.side}>
                <Waiting for={waiting.data?.data ?? []} />
                {stats.data && <Failing stats={stats.data} span={span} />}
                {stats.data && <Now now={stats.data.now} />}
                {steps.data && !isAllDone(steps.data) && <StepsLeft steps={steps.data} />}
              </div>
              <div className={s.side}>
                {stats.data ? (
                  <>
                    <Charts stats={stats.data} span={span} />
                    <Shares stats={stats.data} span={span} />
                  </>
                ) : (
                  !maySeeAll && <LastRuns />
                )}
              </div>
            </div>
          </>
        )}
      </Body>
    </>
  );
}

function Sentence({ stats, span }: { stats: Stats; span: SpanName }) {
  const { total, failures } = stats;
  const part = share(total);
  const since = span === "30d" ? undefined : span;
  const how = { quiet: "Quiet.", well: "Healthy.", mostly: "Mostly healthy.", badly: "Something is wrong." };
  const worst = failures[0];
  return (
    <>
      <p className={s.sentence}>
        <b>{how[health(total)]}</b>{" "}
        {total.runs === 0 ? (
          `No run ended in ${SPANS[span].words}.`
        ) : (
          <>
            <Link to="/runs" search={{ since }}>
              {plural(total.runs, "run")}
            </Link>{" "}
            ended in {SPANS[span].words}
            {part !== null && `, ${percent(part)} succeeded`}
            {total.p50_ms ? `, half of them within ${duration(total.p50_ms)}` : ""}.
          </>
        )}{" "}
        {worst && (
          <Link to="/runs" search={{ status: "failed", since }} className={s.bad}>
            {plural(total.failed + total.timed_out, "run")} failed
          </Link>
        )}
        {worst && ". "}
        {stats.now.approvals_pending > 0 && (
          <>
            <Link to="/approvals" className={s.warn}>
              {plural(stats.now.approvals_pending, "approval")}
            </Link>{" "}
            {stats.now.approvals_pending === 1 ? "waits" : "wait"} for a person.
          </>
        )}
      </p>
      {!stats.is_complete && (
        <Note title="Older runs are still counted">
          These figures grow until all that ended before the upgrade is counted.
        </Note>
      )}
    </>
  );
}

/** What somebody has to decide. */
function Waiting({ for: waiting }: { for: readonly Approval[] }) {
  if (waiting.length === 0) return null;
  return (
    <section className={s.sec}>
      <div className={s.sechead}>
        <h2>Waiting for a person</h2>
        <Link className="end" to="/approvals">
          Inbox
        </Link>
      </div>
      <ul className={s.list}>
        {waiting.slice(0, 4).map((it) => (
          <li key={it.id}>
            <KindMark kind="approval" />
            <span className="grow">
              <b className="strong">{it.message || `May ${it.tool.name} be called?`}</b>
              <br />
              <span className="small dim">
                asked <Time at={it.created_at} />, until <Time at={it.expires_at} />
              </span>
            </span>
            <Link
              to="/runs/$id"
              params={{ id: it.run_id }}
              className={buttonClass("plain", true)}
              aria-label={`Review ${it.tool.name}`}
            >
              Review
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What went wrong, by its kind. */
function Failing({ stats, span }: { stats: Stats; span: SpanName }) {
  if (stats.failures.length === 0) return null;
  return (
    <section className={s.sec}>
      <div className={s.sechead}>
        <h2>What failed</h2>
        <Link
          className="end"
          to="/runs"
          search={{ status: "failed", since: span === "30d" ? undefined : span }}
        >
          Failed runs
        </Link>
      </div>
      <ul className={s.list}>
        {stats.failures.map((it) => (
          <li key={it.kind}>
            <span className="grow">
              {kindWords(it.kind)} <code className="dim">{it.kind}</code>
            </span>
            <span className="num badtxt">{count(it.runs)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Now({ now }: { now: Stats["now"] }) {
  return (
    <section className={s.sec}>
      <h2>Now</h2>
      <Facts
        facts={[
          ["Running", <Runs key="r" status="running" runs={now.running} />],
          ["Queued", <Runs key="q" status="queued" runs={now.queued} />],
          ["Waiting", <Runs key="w" status="waiting" runs={now.waiting} />],
          ["Suspended", <Runs key="s" status="suspended" runs={now.suspended} />],
          [
            "Documents",
            now.documents_ingesting === 0 ? (
              "none is read"
            ) : (
              <Link key="d" to="/rag">
                {plural(now.documents_ingesting, "document")} to be read
              </Link>
            ),
          ],
        ]}
      />
    </section>
  );
}

const Runs = ({ status, runs }: { status: "running" | "queued" | "waiting" | "suspended"; runs: number }) =>
  runs === 0 ? (
    <span className="dim">none</span>
  ) : (
    <Link to="/runs" search={{ status }}>
      {plural(runs, "run")}
    </Link>
  );
