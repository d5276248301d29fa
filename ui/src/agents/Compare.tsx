import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "../api/me";
import type { Status } from "../api/types";
import { Button } from "../kit/Button";
import { duration, money, tokens } from "../kit/format";
import { StatusMark } from "../kit/Marks";
import { ProblemNote, Skeleton } from "../kit/Messages";
import { Filter, Segmented } from "../kit/Page";
import { Composer } from "./Composer";
import { isAtWork } from "./conversation";
import s from "./Playground.module.css";
import { isBetter, sideOf } from "./sides";
import { TurnView } from "./TurnView";
import type { Turn } from "./turn";
import { useConversation } from "./useConversation";

const route = getRouteApi("/agents/$name");

interface Props {
  name: string;
  /** An agent, or `name@version`. */
  beside: string;
  choices: readonly (readonly [string, string])[];
  wantsContext: boolean;
  onChoose: (beside: string | undefined) => void;
}

/** The same is said to two, each in a thread of its own. */
export default function Compare({ name, beside, choices, wantsContext, onChoose }: Props) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const mayTalk = useMay("agent.execute");
  const mayKeep = useMay("thread.write");
  const other = sideOf(beside);
  const left = useConversation(name, search.thread, mayKeep, (thread) =>
    navigate({ search: (before) => ({ ...before, thread }), replace: true }),
  );
  const right = useConversation(
    other.agent,
    search.beside_thread,
    mayKeep,
    (beside_thread) => navigate({ search: (before) => ({ ...before, beside_thread }), replace: true }),
    other.version,
  );
  const [seen, setSeen] = useState<"left" | "right">("left");
  const [leftLast, rightLast] = [left.turns.at(-1), right.turns.at(-1)];
  const rightName = other.version === null ? other.agent : `${other.agent}, version ${other.version}`;
  return (
    <div className={s.compare}>
      <div className={s.which}>
        <Segmented
          label="Side"
          value={seen}
          options={[
            ["left", name],
            ["right", rightName],
          ]}
          onChange={setSeen}
        />
      </div>
      <div className={s.sides}>
        <Half title={name} of={left} last={leftLast} other={rightLast} isBehind={seen !== "left"} />
        <Half title={rightName} of={right} last={rightLast} other={leftLast} isBehind={seen !== "right"} />
      </div>
      <div className={s.dock}>
        <Composer
          name="both"
          isDisabled={!mayTalk}
          isBusy={isAtWork(leftLast) || isAtWork(rightLast)}
          wantsContext={wantsContext}
          onStop={() => {
            left.stop();
            right.stop();
          }}
          onSend={async (said) => {
            // One after the other: each names its thread in the address.
            const first = await left.send(said);
            return (await right.send(said)) && first;
          }}
        >
          <Filter label="Compare with" value={beside} options={choices} onChange={onChoose} />
          <Button
            small
            look="quiet"
            icon="x"
            aria-label="End the comparison"
            onClick={() => onChoose(undefined)}
          />
        </Composer>
      </div>
    </div>
  );
}

interface HalfProps {
  title: string;
  of: ReturnType<typeof useConversation>;
  last: Turn | undefined;
  other: Turn | undefined;
  /** On a narrow screen the other one is seen. */
  isBehind: boolean;
}

function Half({ title, of, last, other, isBehind }: HalfProps) {
  return (
    <section aria-label={title} data-behind={isBehind || undefined}>
      <header className={s.sidehead}>
        <h2>{title}</h2>
        {last && <StatusMark status={last.status as Status} />}
        <Figure value={tookMs(last)} other={tookMs(other)} show={duration} />
        <Figure value={tokensOf(last)} other={tokensOf(other)} show={(it) => `${tokens(it)} tokens`} />
        <Figure value={costOf(last)} other={costOf(other)} show={money} />
      </header>
      {of.error !== null && of.error !== undefined && <ProblemNote error={of.error} />}
      {of.isLoading && <Skeleton rows={3} />}
      {of.turns.length > 0 && (
        <ol className={s.rail} data-any aria-label={`Conversation with ${title}`}>
          {of.turns.map((it, at) => (
            <TurnView key={it.runId ?? `kept-${at}`} turn={it} />
          ))}
        </ol>
      )}
    </section>
  );
}

const tookMs = (turn: Turn | undefined) =>
  turn?.startedAt && turn.endedAt ? turn.endedAt - turn.startedAt : null;
const tokensOf = (turn: Turn | undefined) =>
  turn?.usage ? turn.usage.input_tokens + turn.usage.output_tokens : null;
const costOf = (turn: Turn | undefined) => turn?.usage?.cost_usd ?? null;

interface FigureProps {
  value: number | null;
  other: number | null;
  show: (value: number) => string;
}

/** A figure; the better one of two stands out. */
function Figure({ value, other, show }: FigureProps) {
  if (value === null) return null;
  return (
    <span className={`small tnum ${isBetter(value, other) ? "strong" : "dim"}`}>
      {show(value)}
      {isBetter(value, other) && <span className="vh"> (better)</span>}
    </span>
  );
}
