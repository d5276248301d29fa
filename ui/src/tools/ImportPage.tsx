import { useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { failureOf } from "../api/problem";
import { Button } from "../kit/Button";
import { Check, FaultsOf, Field, formClass, TextField } from "../kit/Field";
import { plural } from "../kit/format";
import { Tag } from "../kit/Marks";
import { Note, ProblemNote } from "../kit/Messages";
import { Body, Head, Segmented } from "../kit/Page";
import { useToast } from "../kit/Toasts";
import { type ImportedTool, type ImportOpenapi, importOpenapi } from "./queries";
import s from "./Tools.module.css";

const route = getRouteApi("/tools/import");

/** Tools of the operations of an API: first looked at, then made. */
export function ImportPage() {
  const [by, setBy] = useState<"url" | "file">("url");
  const [url, setUrl] = useState("");
  const [document, setDocument] = useState<string | null>(null);
  const [server, setServer] = useState("");
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const navigate = route.useNavigate();
  const queries = useQueryClient();
  const say = useToast();
  const body = (more: Pick<ImportOpenapi, "dry_run" | "operations">): ImportOpenapi => ({
    ...(by === "url" ? { url: url.trim() } : { document: document ?? "" }),
    server: server.trim() || null,
    ...more,
  });
  const look = useMutation({
    mutationFn: () => importOpenapi(body({ dry_run: true })),
    onSuccess: (found) => setChosen(found.data.map(operationOf)),
  });
  const make = useMutation({
    mutationFn: () => importOpenapi(body({ dry_run: false, operations: [...chosen] })),
    onSuccess: (made) => {
      queries.invalidateQueries({ queryKey: ["tools"] });
      say(`${plural(made.data.length, "tool is", "tools are")} there`);
      if (made.skipped.length === 0) navigate({ to: "/tools" });
    },
  });
  const failed = make.error ?? look.error;
  const isReady = by === "url" ? url.trim() !== "" : document !== null;
  return (
    <>
      <Head
        title="Import OpenAPI"
        crumbs={[{ label: "Tools", to: "/tools" }]}
        lede="Each operation of a document in OpenAPI 3.0 or 3.1, JSON or YAML, becomes a tool of kind http."
      />
      <Body>
        <FaultsOf value={failed ? failureOf(failed).faults : []}>
          <form
            className={formClass}
            onSubmit={(event) => {
              event.preventDefault();
              if (isReady) look.mutate();
            }}
          >
            <Segmented
              label="Document from"
              value={by}
              options={[
                ["url", "Address"],
                ["file", "File"],
              ]}
              onChange={setBy}
            />
            {by === "url" ? (
              <TextField
                label="Address of the document"
                pointer="/url"
                hint="Public https, or what the operator permits."
                value={url}
                onChange={setUrl}
              />
            ) : (
              <Field label="Document" pointer="/document" hint="A .json, .yaml or .yml file.">
                {(wiring) => (
                  <input
                    {...wiring}
                    type="file"
                    accept=".json,.yaml,.yml,application/json"
                    onChange={async (event) => setDocument((await event.target.files?.[0]?.text()) ?? null)}
                  />
                )}
              </Field>
            )}
            <TextField
              label="Server"
              optional
              pointer="/server"
              hint="Where the API is, if the document does not say it, or says it wrongly."
              value={server}
              onChange={setServer}
            />
            {failed && <ProblemNote error={failed} known={["/url", "/document", "/server"]} />}
            <div>
              <Button type="submit" disabled={!isReady} busy={look.isPending && "Looking…"}>
                Look what is in it
              </Button>
            </div>
          </form>
        </FaultsOf>
        {look.data && (
          <section className="stack" aria-label="Found">
            <h2>{plural(look.data.data.length, "operation")} can be a tool</h2>
            <ul className={s.found}>
              {look.data.data.map((it) => (
                <Operation
                  key={it.name}
                  tool={it}
                  checked={chosen.includes(operationOf(it))}
                  onChange={(on) =>
                    setChosen((before) =>
                      on ? [...before, operationOf(it)] : before.filter((id) => id !== operationOf(it)),
                    )
                  }
                />
              ))}
            </ul>
            {(make.data ?? look.data).skipped.length > 0 && (
              <Note title={`${plural((make.data ?? look.data).skipped.length, "operation")} left out`}>
                <ul>
                  {(make.data ?? look.data).skipped.map((it) => (
                    <li key={it.operation}>
                      <code>{it.operation}</code>: {it.reason}
                    </li>
                  ))}
                </ul>
              </Note>
            )}
            <div>
              <Button
                look="primary"
                disabled={chosen.length === 0}
                busy={make.isPending && "Making…"}
                onClick={() => make.mutate()}
              >
                Make {plural(chosen.length, "tool")}
              </Button>
            </div>
          </section>
        )}
      </Body>
    </>
  );
}

/** By what an operation is named when it is wanted. */
const operationOf = (tool: ImportedTool): string =>
  (tool.metadata as { openapi?: { operation?: string } }).openapi?.operation ?? tool.name;

function Operation({
  tool,
  checked,
  onChange,
}: {
  tool: ImportedTool;
  checked: boolean;
  onChange: (checked: boolean) => void;
}) {
  const { method = "GET", url = "" } = tool.config as { method?: string; url?: string };
  return (
    <li>
      <Check
        label={
          <>
            <b className="strong">{tool.name}</b> <Tag>{method}</Tag>{" "}
            <code className="small dim" style={{ overflowWrap: "anywhere" }}>
              {url}
            </code>
          </>
        }
        hint={<span dir="auto">{tool.description}</span>}
        checked={checked}
        onChange={onChange}
      />
    </li>
  );
}
