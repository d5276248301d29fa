import { Link } from "@tanstack/react-router";
import { memo } from "react";
import { useMay } from "../api/me";
import type { Citation } from "../api/types";
import { Json } from "../kit/Code";
import { duration, plural } from "../kit/format";
import { Icon } from "../kit/Icon";
import { Markdown } from "../kit/Markdown";
import { Avatar, KindMark, StatusMark, Tag } from "../kit/Marks";
import { Note } from "../kit/Messages";
import { DecisionCard } from "../parts/Decisions";
import { Images } from "./Composer";
import s from "./Playground.module.css";
import type { Call, Item, Turn } from "./turn";

/** One run in a conversation: the same row for each thing that was said or done. */
export const TurnView = memo(function TurnView({ turn }: { turn: Turn }) {
  const lastText = turn.items.findLast((it) => it.kind === "text");
  return (
    <>
      {turn.items.map((it) => (
        <ItemView key={it.key} item={it} citations={it === lastText ? turn.citations : []} />
      ))}
      {turn.status === "queued" && (
        <Row seq={null} mark={<KindMark kind="wait" />}>
          <StatusMark status="queued" more="for its turn" />
        </Row>
      )}
      {turn.status === "running" &&
        !turn.items.some((it) => (it.kind === "text" || it.kind === "thought") && it.isOpen) && (
          <Row seq={null} mark={<KindMark kind="model" />}>
            <StatusMark status="running" />
          </Row>
        )}
      {turn.error && (
        <Row seq={null} mark={<KindMark kind="step" />}>
          <Note look={turn.status === "canceled" ? "plain" : "bad"} title={turn.error}>
            {turn.runId && (
              <Link to="/runs/$id" params={{ id: turn.runId }}>
                Open the run
              </Link>
            )}
          </Note>
        </Row>
      )}
    </>
  );
});

function Row({
  seq,
  mark,
  children,
}: {
  seq: number | null;
  mark: React.ReactNode;
  children: React.ReactNode;
}) {
  return (
    <li className={s.ev}>
      <span className={s.seq}>{seq ?? ""}</span>
      <span className={s.knot}>{mark}</span>
      <div>{children}</div>
    </li>
  );
}

const ItemView = memo(function ItemView({ item, citations }: { item: Item; citations: Citation[] }) {
  const mayDecide = useMay("approval.decide");
  switch (item.kind) {
    case "user":
      return (
        <Row seq={item.seq} mark={<Avatar name="You" />}>
          <p className={s.who}>You</p>
          {item.text && (
            <p className={s.said} dir="auto">
              {item.text}
            </p>
          )}
          {item.images && <Images images={item.images} />}
        </Row>
      );
    case "text":
      return (
        <Row seq={item.seq} mark={<KindMark kind="model" label="Answer" />}>
          <div aria-live={item.isOpen ? "off" : "polite"}>
            <Markdown text={item.text} />
          </div>
          {item.isOpen && <span className={s.caret} aria-hidden />}
          {citations.length > 0 && <Citations citations={citations} />}
        </Row>
      );
    case "thought":
      return (
        <Row seq={item.seq} mark={<KindMark kind="model" />}>
          <details className={s.call} open={item.isOpen || undefined}>
            <summary>
              <span className={s.tw}>
                <Icon name="chevron-right" small />
              </span>
              {item.isOpen ? "Thinks…" : "Thought before acting"}
            </summary>
            <p className={s.thought} dir="auto">
              {item.text}
            </p>
          </details>
        </Row>
      );
    case "call":
      return (
        <Row seq={item.seq} mark={<KindMark kind={kindOf(item.call)} />}>
          <CallView call={item.call} />
        </Row>
      );
    case "approval":
      return (
        <Row seq={item.seq} mark={<KindMark kind="approval" />}>
          <DecisionCard approval={item.approval} mayDecide={mayDecide} isCurrent />
        </Row>
      );
    default:
      return (
        <Row seq={item.seq} mark={<KindMark kind="model" />}>
          <p className="sub row">
            <Icon name="triangle-alert" small /> {item.text}
          </p>
        </Row>
      );
  }
});

const kindOf = (call: Call) => (call.passages ? "retrieval" : call.childId ? "agent" : "tool");

const STATE = {
  asked: "queued",
  waiting: "waiting",
  running: "running",
  done: "succeeded",
  failed: "failed",
  rejected: "canceled",
  unknown: "failed",
} as const;

function CallView({ call }: { call: Call }) {
  const first = Object.entries((call.arguments ?? {}) as Record<string, unknown>)[0];
  const isOver = !["asked", "waiting", "running"].includes(call.status);
  return (
    <details className={s.call}>
      <summary>
        <span className={s.tw}>
          <Icon name="chevron-right" small />
        </span>
        <b>{call.tool}</b>
        {first && (
          <span className="mono dim cut small" dir="auto">
            {first[0]}: {typeof first[1] === "string" ? `"${first[1]}"` : JSON.stringify(first[1])}
          </span>
        )}
        <span className="row end nowrap">
          {call.passages && <span className="dim small">{plural(call.passages.length, "passage")}</span>}
          {call.progress && <span className="dim small">{call.progress}</span>}
          {call.status === "done" ? (
            <Icon name="check" small label="done" />
          ) : (
            <StatusMark status={STATE[call.status]} />
          )}
          {call.tookMs !== null && <span className="dim small tnum">{duration(call.tookMs)}</span>}
        </span>
      </summary>
      <div className={s.io}>
        <Json value={call.arguments} title="Arguments" />
        {isOver && <Json value={call.result} title={call.status === "done" ? "Result" : "What came of it"} />}
      </div>
      {call.passages && call.passages.length > 0 && <Citations citations={call.passages} />}
      <p className={s.foot}>
        {call.effect && <span>class {call.effect}</span>}
        {call.childId && (
          <Link to="/runs/$id" params={{ id: call.childId }}>
            Open its run
          </Link>
        )}
      </p>
    </details>
  );
}

/** Words from your documents: a number, where they stand, and the passage itself when it is opened. */
function Citations({ citations }: { citations: Citation[] }) {
  return (
    <ol className={s.cites} aria-label="Sources">
      {citations.map((it, at) => (
        <li key={it.chunk_id + at}>
          <details>
            <summary>
              <span className={s.cite}>{at + 1}</span>
              <span className="cut grow" dir="auto">
                {it.quote}
              </span>
              <span className="dim nowrap">
                {it.filename}
                {it.page !== null && it.page !== undefined && `, p. ${it.page}`}
              </span>
            </summary>
            <p dir="auto">
              <mark>{it.quote}</mark>
            </p>
            <p className="row wrap small dim">
              <Tag>{it.database}</Tag> {it.heading_path.join(" › ")}
              <Link to="/rag/$name/$document" params={{ name: it.database, document: it.document_id }}>
                Open the document
              </Link>
            </p>
          </details>
        </li>
      ))}
    </ol>
  );
}
