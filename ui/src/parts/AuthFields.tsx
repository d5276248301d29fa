import { Section, SelectField, TextField } from "../kit/Field";
import { PickField } from "../kit/PickField";
import { type AuthPart, type DraftAuth, isOptional, type Ways } from "./auth";
import { SecretHint, useSecrets } from "./Secrets";

const WORDS: Readonly<Record<string, string>> = {
  none: "nothing",
  bearer: "a bearer token",
  header: "a header",
  basic: "name and password",
  oauth: "OAuth client credentials",
  exchange: "a token of the caller",
  consent: "a token of the person, who agrees first",
};

const LABELS: Readonly<Record<Exclude<AuthPart, "secret">, string>> = {
  username: "User name",
  name: "Header",
  token_url: "Token URL",
  issuer: "Authorization server",
  client_id: "Client id",
  scope: "Scope",
  audience: "Audience",
};

interface Props {
  ways: Ways;
  /** Where it stands in the body that is sent. */
  pointer: string;
  value: DraftAuth;
  onChange: (value: DraftAuth) => void;
}

/** How requests prove whose they are: by which way, and by which secret of those that are kept here. */
export function AuthFields({ ways, pointer, value: auth, onChange }: Props) {
  const secrets = useSecrets();
  const known = secrets?.find((it) => it.name === auth.secret);
  const names = Object.keys(ways);
  return (
    <Section title="How it proves itself" hint="The model never sees it.">
      <SelectField
        label="Sends"
        pointer={`${pointer}/type`}
        options={(names.includes(auth.type) ? names : [...names, auth.type]).map(
          (it) => [it, WORDS[it] ?? it] as const,
        )}
        value={auth.type}
        onChange={(type) => onChange({ ...auth, type })}
      />
      {(ways[auth.type] ?? []).map((part) =>
        part === "secret" ? (
          <PickField
            key={part}
            label="Secret"
            optional={isOptional(auth.type, part)}
            pointer={`${pointer}/secret`}
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
            label={LABELS[part]}
            optional={isOptional(auth.type, part)}
            pointer={`${pointer}/${part}`}
            value={auth[part]}
            onChange={(text) => onChange({ ...auth, [part]: text })}
          />
        ),
      )}
    </Section>
  );
}
