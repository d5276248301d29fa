import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { PATH } from "../api/client";
import { useMay } from "../api/me";
import type { components } from "../api/schema";
import { Button } from "../kit/Button";
import { count, duration, size } from "../kit/format";
import { Tag } from "../kit/Marks";
import { ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Facts, Head } from "../kit/Page";
import { type Column, Table } from "../kit/Table";
import { settingsQuery } from "./queries";
import s from "./Settings.module.css";
import { TryModel } from "./TryModel";

type Settings = components["schemas"]["Settings"];
type Provider = components["schemas"]["ProviderSettings"];

/** What the server is set to do. It comes from its environment, so nothing here is changed. */
export function SettingsPage() {
  const { data, error, refetch } = useQuery(settingsQuery);
  return (
    <>
      <Head
        title="Settings"
        lede="They come from the environment of the server and are read at its start. No secret is among them."
      />
      <Body>
        {error && <ProblemNote error={error} retry={refetch} />}
        {!data && !error && <Skeleton />}
        {data && <Shown settings={data} />}
      </Body>
    </>
  );
}

function Shown({ settings }: { settings: Settings }) {
  const { models, limits, identity, database } = settings;
  const most = (value: number) => (value === 0 ? "as many as all" : count(value));
  return (
    <>
      <Part title="About">
        <Facts
          facts={[
            ["Version", settings.version],
            ["Mode", settings.mode],
            ["Public address", <code key="i">{settings.issuer}</code>],
            ["Database", `${database.version}, ${WAYS[database.way] ?? database.way}`],
            ["Traces", settings.sends_traces ? "sent to a collector" : "not sent"],
            [
              "API",
              <a key="a" href={`${PATH}/docs`}>
                Reference and OpenAPI document
              </a>,
            ],
          ]}
        />
      </Part>
      <Providers models={models} />
      <Part title="Limits" hint="What is full is refused with 429 or waits; nothing is without a bound.">
        <Facts
          facts={[
            ["Runs at once", count(limits.concurrent_runs)],
            ["Of one client", most(limits.runs_per_client)],
            ["Of one agent", most(limits.runs_per_agent)],
            ["In the queue", count(limits.queued_runs)],
            ["Requests at once", count(limits.concurrent_requests)],
            ["Time of a request", duration(limits.request_ms)],
            ["Size of a request", size(limits.body_bytes)],
            ["Size of a document", size(limits.document_bytes)],
            ["Processes for scripts", count(limits.tool_workers)],
            [
              "MCP sessions",
              `${count(limits.mcp_sessions)}, ${count(limits.mcp_sessions_per_caller)} of one caller`,
            ],
          ]}
        />
      </Part>
      <Part title="Retention">
        <Facts
          facts={[
            [
              "Runs",
              settings.run_retention_days === null || settings.run_retention_days === undefined
                ? "kept for ever"
                : `deleted ${count(settings.run_retention_days)} days after their end`,
            ],
            ["Figures", "kept for 35 days"],
          ]}
        />
      </Part>
      <Part title="Signing in">
        <Facts
          facts={[
            ["Access tokens", `last ${duration(identity.access_token_seconds * 1000)}`],
            ["Registration", REGISTRATION[identity.registration] ?? identity.registration],
            [
              "Elsewhere",
              identity.external
                ? `by ${identity.external.name} (${identity.external.issuer})${identity.external.creates_users ? ", which also lets new people in" : ""}`
                : "nowhere: people have passwords here. OIDC_ISSUER names a provider.",
            ],
          ]}
        />
      </Part>
    </>
  );
}

const WAYS: Record<string, string> = {
  local: "on this machine",
  encrypted: "reached encrypted",
  plain: "reached without encryption",
};
const REGISTRATION: Record<string, string> = {
  admin: "clients are registered by administrators",
  token: "who shows the registration token registers clients",
  open: "anybody registers clients, with few rights",
};

function Part({ title, hint, children }: { title: string; hint?: string; children: ReactNode }) {
  return (
    <section className={s.part}>
      <div>
        <h2>{title}</h2>
        {hint && <p className="dim small">{hint}</p>}
      </div>
      <div>{children}</div>
    </section>
  );
}

function Providers({ models }: { models: Settings["models"] }) {
  const mayTry = useMay("agent.write");
  const [trying, setTrying] = useState<string | null>(null);
  const columns: Column<Provider>[] = [
    { head: "Provider", narrow: "title", cell: (it) => <b className="strong">{it.name}</b> },
    {
      head: "State",
      narrow: "line",
      cell: (it) =>
        it.missing ? (
          <span className="dim">
            needs <code>{it.missing}</code>
          </span>
        ) : (
          <Tag look="ok">ready</Tag>
        ),
    },
    {
      head: "Asked at",
      wide: "40%",
      cell: (it) => <code className="small">{it.host ?? "in this program"}</code>,
    },
    {
      head: "Verbs",
      unseen: true,
      end: true,
      narrow: "end",
      cell: (it) =>
        mayTry &&
        !it.missing && (
          <Button small onClick={() => setTrying(it.name)} aria-label={`Try ${it.name}…`}>
            Try…
          </Button>
        ),
    },
  ];
  return (
    <section className="stack">
      <h2>Models</h2>
      <Facts
        facts={[
          ["Agents that name none use", <code key="d">{models.default}</code>],
          [
            "Names of your own",
            models.aliases.length > 0
              ? models.aliases.map((it) => `${it.name} is ${it.model}`).join(", ")
              : null,
          ],
        ]}
      />
      <Table label="Providers" columns={columns} rows={models.providers} rowKey={(it) => it.name} />
      {trying && <TryModel provider={trying} usual={models.default} onClose={() => setTrying(null)} />}
    </section>
  );
}
