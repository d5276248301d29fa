import { useMutation } from "@tanstack/react-query";
import { callHere, type Told } from "../api/asClient";
import { PATH } from "../api/client";
import { useMe } from "../api/me";
import { Button } from "../kit/Button";
import { Code, Json } from "../kit/Code";
import { Section } from "../kit/Field";
import { duration } from "../kit/format";
import { Markdown } from "../kit/Markdown";
import { Tag } from "../kit/Marks";
import { Note, ProblemNote } from "../kit/Messages";
import { Body, Head } from "../kit/Page";
import { SchemaForm, useArguments } from "../parts/SchemaForm";
import { curlOf, missing, type Operation, requestOf } from "./operations";

const NONE = {};

/** One call: what it takes as a form, and what comes of it. */
export function Call({ operation }: { operation: Operation }) {
  const { scopes } = useMe();
  const parameters = useArguments(operation.parameters ?? NONE);
  const body = useArguments(operation.body ?? NONE);
  const lacks = missing(operation, scopes);
  const given = "body" in parameters.made ? parameters.made.body : {};
  const sent = operation.body && "body" in body.made ? body.made.body : undefined;
  const request = requestOf(operation, given);
  const isUnread =
    (operation.parameters && "errors" in parameters.made) || (operation.body && "errors" in body.made);
  const call = useMutation({
    mutationFn: () => callHere(operation.method, request.path, request.headers, sent),
  });
  return (
    <>
      <Head
        title={operation.summary}
        crumbs={[{ label: "API explorer", to: "/api" }]}
        beside={<Method method={operation.method} />}
        lede={
          <p>
            <code>{operation.path}</code> <Scopes operation={operation} />
          </p>
        }
      />
      <Body>
        {operation.about && (
          <div style={{ maxWidth: 760 }}>
            <Markdown text={operation.about} />
          </div>
        )}
        {lacks.length > 0 && (
          <Note look="warn" title="It will be refused">
            You do not hold <code>{lacks.join(" ")}</code>.
          </Note>
        )}
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (!isUnread) call.mutate();
          }}
        >
          {operation.parameters && (
            <Section title="Parameters" hint="In the path, the query and the headers.">
              <SchemaForm of={parameters} pointer="" />
            </Section>
          )}
          {operation.body && (
            <Section title="Body" hint="JSON. A field that is empty is not sent.">
              <SchemaForm of={body} pointer="" />
            </Section>
          )}
          {operation.takesOther && (
            <Note title="It takes no JSON">
              Files are sent by the pages of RAG databases, and as the reference shows.
            </Note>
          )}
          <p className="row wrap" style={{ paddingTop: 16 }}>
            <Button
              type="submit"
              look={operation.method === "DELETE" ? "destroy" : "primary"}
              icon="play"
              disabled={Boolean(isUnread)}
              busy={call.isPending && "Calling…"}
            >
              Call {operation.method} {operation.path}
            </Button>
            {operation.method !== "GET" && (
              <span className="small dim">As you. What it does, it does for real.</span>
            )}
          </p>
        </form>
        {call.isError && <ProblemNote error={call.error} />}
        {call.data && <Answer told={call.data} />}
        <Code title="The same with curl" text={curlOf(location.origin + PATH, operation, request, sent)} />
      </Body>
    </>
  );
}

export const Method = ({ method }: { method: string }) => (
  <Tag look={method === "GET" ? "line" : method === "DELETE" ? "bad" : "live"}>{method}</Tag>
);

function Scopes({ operation: { opened, isOpen } }: { operation: Operation }) {
  if (isOpen) return <span className="dim">needs no token</span>;
  const ways = opened.map((it) => it.join(" and ")).filter(Boolean);
  return <span className="dim">{ways.length > 0 ? `needs ${ways.join(", or ")}` : "needs any token"}</span>;
}

function Answer({ told }: { told: Told }) {
  return (
    <section className="stack" aria-label="Answer" aria-live="polite">
      <p className="row wrap">
        <Tag look={told.status < 400 ? "ok" : "bad"}>{told.status}</Tag>
        <span className="dim small">in {duration(told.ms)}</span>
        {told.requestId && <code className="small dim">{told.requestId}</code>}
      </p>
      {typeof told.body === "string" ? (
        <Code title="Answer" text={told.body} />
      ) : (
        <Json title="Answer" value={told.body} />
      )}
    </section>
  );
}
