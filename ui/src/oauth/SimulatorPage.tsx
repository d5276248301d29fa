import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { callAs, type Told } from "../api/asClient";
import { answer, api } from "../api/client";
import { useMay } from "../api/me";
import { Button, buttonClass } from "../kit/Button";
import { Json } from "../kit/Code";
import { formClass, PickField, SelectField, TextArea, TextField, twoClass } from "../kit/Field";
import { Note, ProblemNote } from "../kit/Messages";
import { Body, Facts, Head, Segmented } from "../kit/Page";
import s from "./Simulator.module.css";
import { words } from "./scopes";
import {
  CALL_NAMES,
  CALLS,
  type CallName,
  claimsOf,
  pathOf,
  refusalOf,
  scopesOf,
  type Verdict,
  verdictOf,
} from "./simulate";

const route = getRouteApi("/clients/try");
const CRUMBS = [{ label: "Clients", to: "/clients" }] as const;

/** What was tried: the token that was asked for, if any, and the call with it. */
interface Tried {
  token: Told | null;
  claims: Record<string, unknown> | null;
  held: readonly string[] | null;
  call: CallName;
  path: string;
  /** `null`: there was no token to call with. */
  told: Told | null;
}

/**
 * Be a client: a token is asked for with its own secret, or one is brought, and the API is called with it, without the
 * session of whoever looks. What is typed here stays in this page and is forgotten with it.
 */
export function SimulatorPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const [secret, setSecret] = useState("");
  const [credential, setCredential] = useState("");
  const [narrowed, setNarrowed] = useState<string[]>([]);
  const [input, setInput] = useState("Hello");
  const { way = "secret", client = "", call = "agents", agent = "" } = search;
  const set = (change: Partial<typeof search>) =>
    navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const known = useQuery({
    queryKey: ["oauth", "clients", client],
    queryFn: () => answer(api.GET("/oauth/clients/{client_id}", { params: { path: { client_id: client } } })),
    enabled: useMay("client.read") && client !== "",
    retry: false,
  });
  const agents = useAgents();
  const attempt = useMutation({
    mutationFn: async (): Promise<Tried> => {
      const path = pathOf(call, agent);
      let bearer = credential.trim();
      let token: Told | null = null;
      if (way === "secret") {
        token = await callAs("POST", "/oauth/token", null, {
          grant_type: "client_credentials",
          client_id: client.trim(),
          client_secret: secret.trim(),
          ...(narrowed.length > 0 ? { scope: narrowed.join(" ") } : {}),
        });
        const given = (token.body as { access_token?: unknown } | null)?.access_token;
        if (typeof given !== "string") return { token, claims: null, held: null, call, path, told: null };
        bearer = given;
      }
      const claims = claimsOf(bearer);
      const body = call === "execute" ? { input } : undefined;
      const told = await callAs(CALLS[call].method, path, bearer, body);
      return { token, claims, held: scopesOf(claims), call, path, told };
    },
  });
  const isReady = (way === "secret" ? client && secret : credential) && (call !== "execute" || agent);
  return (
    <>
      <Head
        title="Be a client"
        crumbs={CRUMBS}
        lede="See what a program is told: get its token, make a call, and read why it was allowed or not."
        actions={
          client &&
          known.data && (
            <Link to="/clients/$id" params={{ id: client }} className={buttonClass()}>
              Its scopes
            </Link>
          )
        }
      />
      <Body>
        <form
          className={formClass}
          onSubmit={(event) => {
            event.preventDefault();
            attempt.mutate();
          }}
        >
          <Segmented
            label="Credential"
            value={way}
            options={[
              ["secret", "Its secret"],
              ["token", "A token or API key"],
            ]}
            onChange={(it) => set({ way: it === "secret" ? undefined : it })}
          />
          {way === "secret" ? (
            <>
              <div className={twoClass}>
                <TextField
                  label="Client id"
                  mono
                  required
                  value={client}
                  onChange={(it) => set({ client: it || undefined })}
                />
                <TextField
                  label="Client secret"
                  type="password"
                  required
                  hint="It stays in this page, and goes to the token endpoint only."
                  value={secret}
                  onChange={setSecret}
                />
              </div>
              <PickField
                label="Ask for"
                optional
                open
                hint="Without it: all that the client was given."
                options={known.data ? words(known.data.scope) : []}
                value={narrowed}
                onChange={setNarrowed}
              />
            </>
          ) : (
            <TextField
              label="Token or API key"
              type="password"
              required
              hint="What the program has, without the word Bearer."
              value={credential}
              onChange={setCredential}
            />
          )}
          <div className={twoClass}>
            <SelectField
              label="Then"
              options={CALL_NAMES.map((it) => [it, CALLS[it].label] as const)}
              value={call}
              onChange={(it) => set({ call: it === "agents" ? undefined : (it as CallName) })}
            />
            {call === "execute" && (
              <SelectField
                label="Agent"
                options={[["", "Choose an agent"], ...agents.map((it) => [it.name, it.name] as const)]}
                value={agent}
                onChange={(it) => set({ agent: it || undefined })}
              />
            )}
          </div>
          {call === "execute" && <TextArea label="Input" rows={2} value={input} onChange={setInput} />}
          <p>
            <Button
              type="submit"
              look="primary"
              icon="play"
              disabled={!isReady}
              busy={attempt.isPending && "Calling…"}
            >
              Call as this client
            </Button>
          </p>
        </form>
        {attempt.isError && <ProblemNote error={attempt.error} />}
        {attempt.data && (
          <Shown tried={attempt.data} agent={agents.find((it) => it.name === agent)} clientId={client} />
        )}
      </Body>
    </>
  );
}

/** What whoever looks knows of the agents. */
function useAgents() {
  const mayAll = useMay("agent.write", "admin.read");
  const maySome = useMay("agent.read", "agent.execute");
  const page = { params: { query: { limit: 200 } } };
  const list = useQuery({
    queryKey: ["agents", "simulator", mayAll],
    queryFn: async () => {
      if (!mayAll) return (await answer(api.GET("/agents", page))).data;
      return (await answer(api.GET("/agents/definitions", page))).data;
    },
    enabled: maySome || mayAll,
  });
  return list.data ?? [];
}

function Shown({
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
