import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { failureOf } from "../api/problem";
import { Button } from "../kit/Button";
import { Code, Json } from "../kit/Code";
import { FaultsOf, SelectField } from "../kit/Field";
import { Note, ProblemNote, Skeleton } from "../kit/Messages";
import { Called } from "../parts/Called";
import { SchemaForm, useArguments } from "../parts/SchemaForm";
import s from "./Mcp.module.css";
import { useOffers } from "./Offers";
import type { Offer } from "./offered";
import { type McpServer, schemaQuery, tryOffer } from "./queries";
import { message } from "./snippets";

const route = getRouteApi("/mcp");

/** Calls what is offered, as the one who is signed in. What is chosen and which call is shown stand in the URL. */
export default function Try({ server }: { server: McpServer }) {
  const { name } = route.useSearch();
  const navigate = route.useNavigate();
  const { there, offers } = useOffers(server);
  const offer = offers.find((it) => it.name === name) ?? offers[0];
  const schema = useQuery({ ...schemaQuery(offer ?? NONE), enabled: offer !== undefined });
  if (there.isPending) return <Skeleton />;
  if (!offer) return <p className="sub">Nothing is offered that could be tried.</p>;
  return (
    <div className={s.try}>
      <Note title="The same call, by the API">
        <code>/mcp</code> takes tokens that are made for it, and no session of a browser. So this page begins
        the same run with the same rights by <code>/execute</code>, and searches by <code>/search</code>; the
        protocol itself is not spoken here. To see that, connect the Inspector.
      </Note>
      <SelectField
        label="Tool"
        hint={offer.description}
        options={offers.map((it) => [it.name, it.name] as const)}
        value={offer.name}
        onChange={(next) => navigate({ search: { tab: "try", name: next } })}
      />
      {schema.isError && <ProblemNote error={schema.error} retry={() => schema.refetch()} />}
      {schema.data && <Call key={offer.name} offer={offer} schema={schema.data} />}
    </div>
  );
}

const NONE: Offer = { name: "", is: "tool", of: "", description: "", takes: [] };

function Call({ offer, schema }: { offer: Offer; schema: Record<string, unknown> }) {
  const { run } = route.useSearch();
  const navigate = route.useNavigate();
  const given = useArguments(schema);
  const call = useMutation({
    mutationFn: (input: Record<string, unknown>) => tryOffer(offer, input),
    onSuccess: (tried) =>
      navigate({
        search: { tab: "try", name: offer.name, run: "run" in tried ? tried.run : undefined },
        replace: true,
      }),
  });
  const sent = "body" in given.made ? given.made.body : {};
  return (
    <>
      <FaultsOf value={call.isError ? failureOf(call.error).faults : []}>
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            if ("body" in given.made) call.mutate(given.made.body);
          }}
        >
          <SchemaForm of={given} pointer={offer.is === "tool" ? "/input" : ""} />
          {call.isError && <ProblemNote error={call.error} known={["/input", "/query"]} />}
          <div className="row wrap">
            <Button
              type="submit"
              look="primary"
              icon="play"
              disabled={"errors" in given.made}
              busy={call.isPending && "Calling…"}
            >
              Call {offer.name}
            </Button>
            <span className="small dim">As you. What it does, it does for real.</span>
          </div>
        </form>
      </FaultsOf>
      {run && <Called key={run} id={run} />}
      {call.data && "found" in call.data && <Json value={call.data.found} title="Result" />}
      <details>
        <summary>What a client sends</summary>
        <Code
          text={JSON.stringify(message("tools/call", { name: offer.name, arguments: sent }), null, 2)}
          json
          title="tools/call"
        />
      </details>
    </>
  );
}
