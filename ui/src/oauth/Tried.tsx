import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Told } from "../api/asClient";
import { buttonClass } from "../kit/Button";
import { Json } from "../kit/Code";
import { Note } from "../kit/Messages";
import { Facts } from "../kit/Page";
import s from "./Simulator.module.css";
import type { CallName } from "./search";
import { CALLS, refusalOf, type Verdict, verdictOf } from "./simulate";

/** What was tried: the token that was asked for, if any, and the call with it. */
export interface Tried {
  token: Told | null;
  claims: Record<string, unknown> | null;
  held: readonly string[] | null;
  call: CallName;
  path: string;
  /** `null`: there was no token to call with. */
  told: Told | null;
}

/** What happened, step by step, and why. */
export function Happened({
  tried,
  agent,
  clientId,
}: {
  tried: Tried;
  agent: Parameters<typeof verdictOf>[3];
  clientId: string;
}) {
  const { token, told, claims, held, call, path } = tried;
  return (
    <ol className={s.rail} aria-label="What happened" aria-live="polite">
      {token && (
        <Step n={1} title="POST /oauth/token" told={token}>
          {told ? (
            <Facts
              facts={[
                ["It holds", <Scopes key="s" scopes={held} />],
                ["For", typeof claims?.aud === "string" ? <code key="a">{claims.aud}</code> : null],
              ]}
            />
          ) : (
            <Said verdict={refusalOf(token)} />
          )}
          {claims && (
            <details>
              <summary className="dim small">What the token says</summary>
              <Json title="Claims" value={claims} />
            </details>
          )}
        </Step>
      )}
      {told && (
        <Step n={token ? 2 : 1} title={`${CALLS[call].method} ${path}`} told={told}>
          <Said
            verdict={verdictOf(call, told, held, agent)}
            action={
              told.status === 403 && clientId ? (
                <Link to="/clients/$id" params={{ id: clientId }} className={buttonClass("plain", true)}>
                  Change its scopes
                </Link>
              ) : undefined
            }
          />
          {told.challenge && (
            <Facts
              facts={[
                [
                  "Challenge",
                  <code key="c" className="small">
                    {told.challenge}
                  </code>,
                ],
              ]}
            />
          )}
          {!token && <Facts facts={[["It holds", held ? <Scopes key="s" scopes={held} /> : null]]} />}
          <Json title="Answer" value={told.body} />
        </Step>
      )}
    </ol>
  );
}

function Step({ n, title, told, children }: { n: number; title: string; told: Told; children: ReactNode }) {
  return (
    <li className={s.step}>
      <span className={s.seq}>{n}</span>
      <div className="stack">
        <div className="row wrap">
          <code className="strong">{title}</code>
          <span className={told.status < 400 ? "sub tnum" : "badtxt tnum"}>{told.status}</span>
          <span className="dim small tnum">{told.ms} ms</span>
          {told.requestId && <span className="id hide-n">{told.requestId}</span>}
        </div>
        {children}
      </div>
    </li>
  );
}

const Said = ({ verdict, action }: { verdict: Verdict; action?: ReactNode }) => (
  <Note look={verdict.look} title={verdict.title} action={action}>
    {verdict.why}
  </Note>
);

const Scopes = ({ scopes }: { scopes: readonly string[] | null }) =>
  scopes && scopes.length > 0 ? <code className="small">{scopes.join(" ")}</code> : "nothing";
