import { Button } from "../kit/Button";
import { CodeField } from "../kit/CodeField";
import { Check, Field, inputClass, Section, SelectField, TextField, twoClass } from "../kit/Field";
import { PickField } from "../kit/PickField";
import { AuthFields } from "../parts/AuthFields";
import { type Pair, WAYS } from "./draft";
import type { KindProps } from "./KindFields";
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
      <AuthFields
        ways={WAYS}
        pointer="/config/auth"
        value={draft.auth}
        onChange={(auth) => change({ auth })}
      />
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
