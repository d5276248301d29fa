import { Link } from "@tanstack/react-router";
import type { Run, RunEvent } from "../api/types";
import { buttonClass } from "../kit/Button";
import { Json } from "../kit/Code";
import { duration, tokens } from "../kit/format";
import { KindMark } from "../kit/Marks";
import { Facts } from "../kit/Page";
import { eventsOfCall, factsOf } from "../parts/events";
import type { Line } from "./layout";

/** What is known of one span: from the events of this run, or by a link to the run that it is of. */
export function SpanDetails({ line, run, events }: { line: Line; run: Run; events: readonly RunEvent[] }) {
  const isOwn = line.runId === run.id;
  const own = isOwn ? eventsOfCall(events, line.seq) : [];
  const dataOf = (type: string) => own.find((it) => it.type === type)?.data;
  const started = dataOf("tool.started");
  const finished = dataOf("tool.finished");
  const model = dataOf("model.finished");
  return (
    <>
      <div className="row">
        <KindMark kind={line.kind} />
        <h2 className="cut">{line.name}</h2>
        <span className="dim end">{line.status}</span>
      </div>
      <Facts
        facts={[
          ["Took", line.tookMs === null ? "goes on" : duration(line.tookMs)],
          ["Tokens", line.tokens ? tokens(line.tokens) : null],
          ["Effect", started?.effect as string | undefined],
          [
            "Effect id",
            started?.effect_id ? (
              <code key="e" className="small">
                {String(started.effect_id)}
              </code>
            ) : null,
          ],
          ["Ended by", model?.finish_reason as string | undefined],
        ]}
      />
      {!isOwn && (
        <Link to="/runs/$id" params={{ id: line.runId }} className={buttonClass()}>
          Open the run that it is of
        </Link>
      )}
      {started && <Json value={started.arguments} title="Arguments" />}
      {finished && (
        <Json value={finished.error ?? finished.result} title={finished.error ? "Error" : "Result"} />
      )}
      {model && <Json value={model.message} title="Message" />}
      {own.length > 0 && (
        <section>
          <h2>Its events</h2>
          <ul>
            {own.map((it) => (
              <li key={it.seq} className="row small" style={{ minHeight: 26 }}>
                <span className="id">{it.seq}</span>
                <code className="nowrap">{it.type}</code>
                <span className="cut dim">{factsOf(it)}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}
