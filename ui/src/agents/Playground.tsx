import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { useMay } from "../api/me";
import type { Agent } from "../api/types";
import { Button, buttonClass } from "../kit/Button";
import { Icon } from "../kit/Icon";
import { parseObject } from "../kit/json";
import { ProblemNote, Skeleton } from "../kit/Messages";
import { isAtWork } from "./conversation";
import { Inspector } from "./Inspector";
import s from "./Playground.module.css";
import { deleteThread, threadsQuery } from "./queries";
import { TurnView } from "./TurnView";
import { useConversation } from "./useConversation";

const route = getRouteApi("/agents/$name");

/** A conversation with an agent: what it says as it says it, each call with what came of it, and what it was asked to decide. */
export function Playground({ name, definition }: { name: string; definition: Agent | null }) {
  const { thread } = route.useSearch();
  const navigate = route.useNavigate();
  const mayTalk = useMay("agent.execute");
  const mayKeep = useMay("thread.write");
  const { turns, isLoading, error, send, stop } = useConversation(name, thread, mayKeep, (id) =>
    navigate({ search: (before) => ({ ...before, thread: id }), replace: true }),
  );
  const [panel, setPanel] = useState<"threads" | "run" | null>(null);
  const [lastSaid, setLastSaid] = useState<Record<string, unknown>>({ input: "Hello!" });
  const last = turns.at(-1);
  const end = useFollow(turns);
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
        <div>
          {error !== null && error !== undefined && (
            <div style={{ padding: "0 28px 12px 14px", maxWidth: 860 }}>
              <ProblemNote error={error} />
            </div>
          )}
          <div ref={end} />
          <Composer
            name={name}
            isDisabled={!mayTalk}
            isBusy={isAtWork(last)}
            wantsContext={Boolean(definition?.context_schema)}
            onStop={stop}
            onPanel={(it) => setPanel((before) => (before === it ? null : it))}
            onSend={async (text, context) => {
              setLastSaid({ input: text, ...(context && { context }) });
              return send(text, context);
            }}
          />
        </div>
      </div>
      <Inspector turn={last} definition={definition} agent={name} said={lastSaid} isOpen={panel === "run"} />
    </div>
  );
}

/** Stays at the end while text comes, unless somebody has scrolled up to read. */
function useFollow(turns: unknown) {
  const end = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  useEffect(() => {
    const look = () => {
      isAtEnd.current = innerHeight + scrollY > document.documentElement.scrollHeight - 120;
    };
    addEventListener("scroll", look, { passive: true });
    return () => removeEventListener("scroll", look);
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever something was said
  useLayoutEffect(() => {
    if (isAtEnd.current) scrollTo({ top: document.documentElement.scrollHeight });
  }, [turns]);
  return end;
}

function Threads({
  agent,
  current,
  isOpen,
}: {
  agent: string;
  current: string | undefined;
  isOpen: boolean;
}) {
  const threads = useQuery(threadsQuery(agent));
  const queries = useQueryClient();
  const navigate = route.useNavigate();
  const remove = async (id: string) => {
    await deleteThread(id);
    queries.invalidateQueries({ queryKey: threadsQuery(agent).queryKey });
    if (id === current) navigate({ search: (before) => ({ ...before, thread: undefined }) });
  };
  return (
    <nav className={s.threads} aria-label="Threads" data-open={isOpen || undefined}>
      <Link to="." search={(before) => ({ ...before, thread: undefined })} className={buttonClass()}>
        <Icon name="plus" /> New thread
      </Link>
      {threads.data && threads.data.length > 0 && <h2>Threads</h2>}
      {threads.data?.map((it) => (
        <div key={it.id} data-on={it.id === current || undefined}>
          <Link
            to="."
            search={(before) => ({ ...before, thread: it.id })}
            activeProps={{}}
            aria-current={it.id === current ? "page" : undefined}
          >
            <span className="cut" dir="auto">
              {it.title ?? "Untitled"}
            </span>
          </Link>
          <span data-delete>
            <Button
              small
              look="quiet"
              icon="trash-2"
              aria-label={`Delete thread ${it.title ?? ""}`}
              onClick={() => remove(it.id)}
            />
          </span>
        </div>
      ))}
    </nav>
  );
}

interface ComposerProps {
  name: string;
  isDisabled: boolean;
  isBusy: boolean;
  wantsContext: boolean;
  onStop: () => void;
  onPanel: (panel: "threads" | "run") => void;
  onSend: (text: string, context: Record<string, unknown> | null) => Promise<boolean>;
}

function Composer({ name, isDisabled, isBusy, wantsContext, onStop, onPanel, onSend }: ComposerProps) {
  const [text, setText] = useState("");
  const [context, setContext] = useState("");
  const [showsContext, setShowsContext] = useState(wantsContext);
  const [isSending, setSending] = useState(false);
  const parsed = parseObject(context);
  const error = "error" in parsed ? parsed.error : null;
  const send = async () => {
    if (!text.trim() || isSending || isDisabled || error) return;
    setSending(true);
    // What was typed is kept until the server has it.
    if (await onSend(text.trim(), "value" in parsed ? parsed.value : null)) setText("");
    setSending(false);
  };
  return (
    <form
      className={s.compose}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        aria-label={`Write to ${name}`}
        placeholder={isDisabled ? "Talking to agents needs agent.execute" : `Write to ${name}`}
        dir="auto"
        rows={2}
        disabled={isDisabled}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          // While an input method is at work, Enter is its own.
          if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
            event.preventDefault();
            send();
          }
        }}
      />
      {showsContext && (
        <textarea
          className={s.context}
          aria-label="Context, a JSON object"
          placeholder='Context: {"customer_name": "Aino"}'
          rows={2}
          spellCheck={false}
          value={context}
          onChange={(event) => setContext(event.target.value)}
        />
      )}
      <div className="row">
        <Button
          small
          look="quiet"
          icon="braces"
          aria-pressed={showsContext}
          onClick={() => setShowsContext((it) => !it)}
        >
          Context
        </Button>
        <span className="only-n row">
          <Button
            small
            look="quiet"
            icon="message-square"
            aria-label="Threads"
            onClick={() => onPanel("threads")}
          />
          <Button small look="quiet" icon="info" aria-label="This run" onClick={() => onPanel("run")} />
        </span>
        {error && <span className="small badtxt cut">{error}</span>}
        <span className="end row">
          {isBusy && <span className="small dim hide-n">Sent messages wait until this run ends</span>}
          {isBusy && (
            <Button small icon="circle-stop" onClick={onStop}>
              Stop
            </Button>
          )}
          <Button
            type="submit"
            look="primary"
            icon="arrow-up"
            aria-label="Send"
            disabled={isDisabled || isSending || !text.trim()}
          />
        </span>
      </div>
    </form>
  );
}
