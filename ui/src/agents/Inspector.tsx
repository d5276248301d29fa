import { Link } from "@tanstack/react-router";
import type { Agent, Status } from "../api/types";
import { buttonClass } from "../kit/Button";
import { cx } from "../kit/cx";
import { duration, money, tokens } from "../kit/format";
import { KindMark, StatusMark } from "../kit/Marks";
import { Facts } from "../kit/Page";
import { Snippet } from "../parts/Snippet";
import s from "./Playground.module.css";
import type { Turn } from "./turn";

interface Props {
  turn: Turn | undefined;
  definition: Agent | null;
  agent: string;
  /** The last message, as it was sent. */
  said: Record<string, unknown>;
  isOpen: boolean;
}

/** What the last run took and cost, and the same call for a program. */
export function Inspector({ turn, definition, agent, said, isOpen }: Props) {
  return (
    <aside className={s.inspect} aria-label="This run" data-open={isOpen || undefined}>
      {turn?.startedAt ? (
        <RunSoFar turn={turn} definition={definition} />
      ) : (
        <p className="small dim">Here stands what a run takes and costs, as soon as there is one.</p>
      )}
      <Snippet of={{ kind: "agents", name: agent }} body={said} />
    </aside>
  );
}

function RunSoFar({ turn, definition }: { turn: Turn; definition: Agent | null }) {
  const start = turn.startedAt ?? 0;
  const end = turn.endedAt ?? Math.max(...turn.stretches.map((it) => it.to ?? it.from), start + 1);
  const whole = Math.max(end - start, 1);
  const share = (ms: number) => `${(100 * Math.min(Math.max(ms / whole, 0), 1)).toFixed(1)}%`;
  return (
    <>
      <div className="row">
        <StatusMark status={turn.status as Status} />
        {turn.endedAt && <span className="dim tnum">{duration(turn.endedAt - start)}</span>}
        {turn.runId && (
          <Link to="/runs/$id" params={{ id: turn.runId }} className={cx(buttonClass("quiet", true), "end")}>
            Open run
          </Link>
        )}
      </div>
      <ul className={s.mini}>
        {turn.stretches.map((it) => (
          <li key={`${it.key}-${it.from}`}>
            <KindMark kind={it.kind} />
            <span className="cut">{it.kind === "wait" ? `consent, ${it.name}` : it.name}</span>
            <span className={s.track}>
              <span
                className={cx(s.bar, s[it.kind])}
                style={{ "--x": share(it.from - start), "--w": share((it.to ?? end) - it.from) } as object}
              />
            </span>
            <span>{it.to === null ? "…" : duration(it.to - it.from)}</span>
          </li>
        ))}
      </ul>
      <Facts
        facts={[
          ["Turns", definition ? `${turn.steps} of ${definition.limits.max_steps}` : turn.steps],
          ["Tokens in", turn.usage && tokens(turn.usage.input_tokens)],
          ["Tokens out", turn.usage && tokens(turn.usage.output_tokens)],
          [
            "Cost",
            turn.usage &&
              (turn.usage.cost_usd === null || turn.usage.cost_usd === undefined
                ? "unknown"
                : money(turn.usage.cost_usd)),
          ],
          ["First words", turn.firstTextMs === null ? null : duration(turn.firstTextMs)],
        ]}
      />
    </>
  );
}
