import { Button } from "../kit/Button";
import { CodeField } from "../kit/CodeField";
import { Check, Field, inputClass, PickField, Section, SelectField, TextField, twoClass } from "../kit/Field";
import { type DraftAuth, type Pair, partsOf } from "./draft";
import { type KindProps, SecretHint, usePicked } from "./KindFields";
import s from "./Tools.module.css";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].map((it) => [it, it] as const);

/** The builder of a request. */
export function HttpFields({ draft, change, field }: KindProps) {
  const hasBody = !["GET", "HEAD"].includes(draft.method) || draft.body !== "";
  return (
    <>
      <Section
        title="Request"
        hint="{{ input.id }} stands for an argument; in the URL it is percent-encoded."
      >
        <SelectField label="Method" options={METHODS} {...field("method", "/config/method")} />
        <TextField label="URL" mono required {...field("url", "/config/url")} />
        <Pairs label="Query" {...field("query", "/config/query")} />
        <Pairs label="Headers" {...field("headers", "/config/headers")} />
        {hasBody && (
          <CodeField
            label="Body"
            optional
            rows={6}
            hint='JSON; {"$": "/input/lines"} is an argument as it is, a text in quotes is sent as it is.'
            {...field("body", "/config/body")}
          />
        )}
        {draft.url.startsWith("http:") && (
          <Check
            label="May be sent without encryption"
            hint="Only where the operator permits it."
            checked={draft.allow_http}
            onChange={(allow_http) => change({ allow_http })}
          />
        )}
      </Section>
      <AuthFields auth={draft.auth} onChange={(auth) => change({ auth })} />
      <Section title="Answer" hint="What of it the model gets.">
        <div className={twoClass}>
          <TextField
            label="Pointer"
            optional
            mono
            hint="Into its JSON, such as /data; empty is all of it."
            {...field("pointer", "/config/response/pointer")}
          />
          <PickField
            label="Good statuses"
            open
            options={["2xx", "404"]}
            {...field("success", "/config/response/success")}
          />
        </div>
        <PickField
          label="Hosts that redirects may lead to"
          optional
          open
          options={[]}
          {...field("redirects", "/config/hosts")}
        />
      </Section>
    </>
  );
}

interface PairsProps {
  label: string;
  pointer: string;
  value: readonly Pair[];
  onChange: (value: readonly Pair[]) => void;
}

/** Names and values, a row each; the last row is always an empty one. */
function Pairs({ label, pointer, value, onChange }: PairsProps) {
  const rows: readonly Pair[] = [...value, ["", ""]];
  const set = (at: number, pair: Pair) =>
    onChange(at === value.length ? [...value, pair] : value.with(at, pair));
  return (
    <Field label={label} optional pointer={pointer}>
      {({ id }) => (
        <div role="group" aria-label={label}>
          {rows.map(([name, text], at) => (
            <div key={at} className={s.pair}>
              <input
                id={at === 0 ? id : undefined}
                className={inputClass}
                aria-label={`${label}, name ${at + 1}`}
                placeholder="name"
                spellCheck={false}
                value={name}
                onChange={(event) => set(at, [event.target.value, text])}
              />
              <input
                className={inputClass}
                aria-label={`${label}, value ${at + 1}`}
                placeholder="{{ input.… }}"
                spellCheck={false}
                value={text}
                onChange={(event) => set(at, [name, event.target.value])}
              />
              <Button
                look="quiet"
                icon="x"
                aria-label={`Remove ${label.toLowerCase()} ${name || at + 1}`}
                disabled={at === value.length}
                onClick={() => onChange(value.filter((_, it) => it !== at))}
              />
            </div>
          ))}
        </div>
      )}
    </Field>
  );
}

const WAYS: readonly (readonly [DraftAuth["type"], string])[] = [
  ["none", "nothing"],
  ["bearer", "a bearer token"],
  ["header", "a header"],
  ["basic", "name and password"],
  ["oauth", "OAuth client credentials"],
  ["exchange", "a token of the caller"],
];

const LABELS: Record<Exclude<keyof DraftAuth, "type" | "secret">, string> = {
  username: "User name",
  name: "Header",
  token_url: "Token URL",
  client_id: "Client id",
  scope: "Scope",
  audience: "Audience",
};

function AuthFields({ auth, onChange }: { auth: DraftAuth; onChange: (auth: DraftAuth) => void }) {
  const { secrets } = usePicked();
  const known = secrets?.find((it) => it.name === auth.secret);
  return (
    <Section title="How it proves itself" hint="The model never sees it.">
      <SelectField
        label="Sends"
        pointer="/config/auth/type"
        options={WAYS}
        value={auth.type}
        onChange={(type) => onChange({ ...auth, type: type as DraftAuth["type"] })}
      />
      {partsOf(auth.type).map((part) =>
        part === "secret" ? (
          <PickField
            key={part}
            label="Secret"
            pointer="/config/auth/secret"
            options={(secrets ?? []).map((it) => it.name)}
            open={secrets === null}
            hint={
              <SecretHint>
                {known
                  ? `Its value goes to ${known.hosts.join(", ")} only.`
                  : "The name of one that is kept here."}
              </SecretHint>
            }
            value={auth.secret ? [auth.secret] : []}
            onChange={(chosen) => onChange({ ...auth, secret: chosen.at(-1) ?? "" })}
          />
        ) : (
          <TextField
            key={part}
            label={LABELS[part as keyof typeof LABELS]}
            optional={part === "scope"}
            pointer={`/config/auth/${part}`}
            value={auth[part]}
            onChange={(text) => onChange({ ...auth, [part]: text })}
          />
        ),
      )}
    </Section>
  );
}
