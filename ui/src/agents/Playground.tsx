import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { useMay } from "../api/me";
import type { Agent } from "../api/types";
import { ProblemNote, Skeleton } from "../kit/Messages";
import { Filter } from "../kit/Page";
import { Composer } from "./Composer";
import { isAtWork } from "./conversation";
import { Inspector } from "./Inspector";
import { contentFor, shortened } from "./images";
import s from "./Playground.module.css";
import { agentsQuery } from "./queries";
import { choicesFor } from "./sides";
import { Threads } from "./Threads";
import { TurnView } from "./TurnView";
import { useConversation } from "./useConversation";
import { useFollow } from "./useFollow";

const Compare = lazy(() => import("./Compare"));

const route = getRouteApi("/agents/$name");

/** A conversation with an agent: what it says as it says it, each call with what came of it, and what it was asked to decide. */
export function Playground({ name, definition }: { name: string; definition: Agent | null }) {
  const { thread, beside } = route.useSearch();
  const navigate = route.useNavigate();
  const mayTalk = useMay("agent.execute");
  const mayKeep = useMay("thread.write");
  const { turns, isLoading, error, send, stop } = useConversation(name, thread, mayKeep, (id) =>
    navigate({ search: (before) => ({ ...before, thread: id }), replace: true }),
  );
  const choices = useChoices(name, definition);
  const [panel, setPanel] = useState<"threads" | "run" | null>(null);
  const [lastSaid, setLastSaid] = useState<Record<string, unknown>>({ input: "Hello!" });
  const last = turns.at(-1);
  useFollow(turns);
  const compare = (side: string | undefined) =>
    navigate({ search: (before) => ({ ...before, beside: side, beside_thread: undefined }) });
  if (beside) {
    return (
      <Suspense fallback={<Skeleton rows={4} />}>
        <Compare
          name={name}
          beside={beside}
          choices={choices}
          wantsContext={Boolean(definition?.context_schema)}
          onChoose={compare}
        />
      </Suspense>
    );
  }
  return (
    <div className={s.play}>
      {mayKeep && <Threads agent={name} current={thread} isOpen={panel === "threads"} />}
      <div className={s.chat}>
        {isLoading ? (
          <div className={s.rail}>
            <Skeleton rows={4} />
          </div>
        ) : turns.length === 0 ? (
          <div className={s.hello}>
            <h2>Talk to {name}</h2>
            <p className="sub">
              Each call of a tool unfolds with its arguments and its result, and the whole run can be opened.
              {!mayKeep && " What you say is not kept from one message to the next: that needs thread.write."}
            </p>
          </div>
        ) : (
          <ol className={s.rail} data-any aria-label="Conversation">
            {turns.map((it, at) => (
              <TurnView key={it.runId ?? `kept-${at}`} turn={it} />
            ))}
          </ol>
        )}
        <div className={s.dock}>
          {error !== null && error !== undefined && (
            <div style={{ padding: "0 28px 12px 14px", maxWidth: 860 }}>
              <ProblemNote error={error} />
            </div>
          )}
          <Composer
            name={name}
            isDisabled={!mayTalk}
            isBusy={isAtWork(last)}
            wantsContext={Boolean(definition?.context_schema)}
            onStop={stop}
            onPanel={(it) => setPanel((before) => (before === it ? null : it))}
            onSend={async (said) => {
              const input = shortened(contentFor(said.text, said.images));
              setLastSaid({ input, ...(said.context && { context: said.context }) });
              return send(said);
            }}
          >
            {mayTalk && choices.length > 0 && (
              <Filter label="Compare with" value={undefined} options={choices} onChange={compare} />
            )}
          </Composer>
        </div>
      </div>
      <Inspector turn={last} definition={definition} agent={name} said={lastSaid} isOpen={panel === "run"} />
    </div>
  );
}

/** What the agent can be compared with. */
function useChoices(name: string, definition: Agent | null) {
  const agents = useQuery(agentsQuery);
  return choicesFor(
    name,
    definition?.version ?? 1,
    (agents.data ?? []).map((it) => it.name),
  );
}
