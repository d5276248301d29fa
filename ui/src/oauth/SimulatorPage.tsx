import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { callAs, type Told } from "../api/asClient";
import { useMay } from "../api/me";
import { Button, buttonClass } from "../kit/Button";
import { formClass, SelectField, TextArea, TextField, twoClass } from "../kit/Field";
import { ProblemNote } from "../kit/Messages";
import { Body, Head, Segmented } from "../kit/Page";
import { PickField } from "../kit/PickField";
import { agentsQuery, clientQuery } from "./queries";
import { words } from "./scopes";
import { CALL_NAMES, type CallName } from "./search";
import { CALLS, claimsOf, pathOf, scopesOf } from "./simulate";
import { Happened, type Tried } from "./Tried";

const route = getRouteApi("/clients/try");
const CRUMBS = [{ label: "Clients", to: "/clients" }] as const;

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
    ...clientQuery(client),
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
          (known.data || known.isLoading) && (
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
          <Happened tried={attempt.data} agent={agents.find((it) => it.name === agent)} clientId={client} />
        )}
      </Body>
    </>
  );
}

/** What whoever looks knows of the agents. */
function useAgents() {
  const mayAll = useMay("agent.write", "admin.read");
  const maySome = useMay("agent.read", "agent.execute");
  const list = useQuery({ ...agentsQuery(mayAll), enabled: maySome || mayAll });
  return list.data ?? [];
}
