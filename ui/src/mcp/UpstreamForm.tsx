import { CodeField } from "../kit/CodeField";
import { Fields, Section, TextArea, TextField, twoClass } from "../kit/Field";
import { PickField } from "../kit/PickField";
import { AuthFields } from "../parts/AuthFields";
import type { Kind } from "../parts/Definition";
import type { FormProps } from "../parts/Editor";
import { wireOf } from "../parts/wire";
import type { NewUpstream, Upstream } from "./queries";
import { bodyOf, contentOf, draftOf, type UpstreamDraft, WAYS } from "./upstream";

function UpstreamForm({ isNew, ...form }: FormProps<UpstreamDraft> & { isNew: boolean }) {
  const field = wireOf(form);
  return (
    <Fields>
      <Section title="What it is" hint="A server of somebody else that speaks MCP by Streamable HTTP.">
        <div className={twoClass}>
          <TextField
            label="Name"
            mono
            required
            readOnly={!isNew}
            hint={isNew ? "Its tools are called name__tool." : "It stays: its tools have it."}
            {...field("name", "/name")}
          />
          <TextField label="Display name" optional {...field("display_name", "/display_name")} />
        </div>
        <TextField
          label="URL"
          mono
          required
          hint="Public https, such as https://api.example.com/mcp; the operator may permit others."
          {...field("url", "/url")}
        />
        <TextArea label="Description" optional rows={2} {...field("description", "/description")} />
      </Section>
      <AuthFields ways={WAYS} {...field("auth", "/auth")} />
      <Section title="What is taken of it" hint="What its tools say of themselves is kept as it was then.">
        <PickField
          label="Tools"
          open
          options={["*"]}
          hint="Names, beginnings of names with * behind, or * for all."
          {...field("allow", "/allow")}
        />
        <div className={twoClass}>
          <TextField label="Seconds for a call" {...field("timeout_s", "/timeout_ms")} />
          <TextField label="Longest answer, bytes" {...field("max_result_bytes", "/max_result_bytes")} />
        </div>
        <PickField
          label="Scopes"
          open
          options={["tool.execute"]}
          hint="A caller must hold all of these; tools get them when they are taken in."
          {...field("scopes", "/scopes")}
        />
        <CodeField label="Metadata" optional rows={3} {...field("metadata", "/metadata")} />
      </Section>
    </Fields>
  );
}

/** How upstreams are edited. */
export const UPSTREAM: Kind<Upstream, UpstreamDraft, NewUpstream> = {
  noun: "upstream",
  key: "mcp",
  contentOf,
  draftOf,
  bodyOf,
  Form: UpstreamForm,
  shown: [
    "/name",
    "/display_name",
    "/description",
    "/url",
    "/auth",
    "/allow",
    "/timeout_ms",
    "/max_result_bytes",
    "/scopes",
    "/metadata",
  ],
  does: "is asked",
};
