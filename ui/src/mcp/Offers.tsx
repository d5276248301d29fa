import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "../api/me";
import { failureOf } from "../api/problem";
import { Button } from "../kit/Button";
import { FaultsOf, formClass, TextArea, TextField } from "../kit/Field";
import { plural } from "../kit/format";
import { KindMark } from "../kit/Marks";
import { Empty, ProblemNote } from "../kit/Messages";
import { PickField } from "../kit/PickField";
import { RowLink } from "../kit/RowLink";
import { type Column, More, Table } from "../kit/Table";
import { useToast } from "../kit/Toasts";
import { type Offer, offersOf } from "./offered";
import { changeServer, type McpServer, type McpServerChange, serverQuery, thereQuery } from "./queries";

const SHOWN = ["/name", "/description", "/instructions", "/expose"];

/** What of what there is clients may find. */
export function useOffers(server: McpServer) {
  const there = useQuery(
    thereQuery({
      tools: useMay("tool.read", "tool.execute"),
      agents: useMay("agent.read", "agent.execute"),
      workflows: useMay("workflow.read", "workflow.execute"),
      databases: useMay("rag.read", "rag.write"),
    }),
  );
  return { there, offers: there.data ? offersOf(server.expose ?? {}, there.data) : [] };
}

/** What is offered to whoever speaks MCP and may use it, and how that is changed. */
export default function Offers({ server }: { server: McpServer }) {
  const { there, offers } = useOffers(server);
  return (
    <>
      <Shown key={server.updated_at ?? ""} server={server} names={there.data} />
      {there.isError && <ProblemNote error={there.error} retry={() => there.refetch()} />}
      {there.isSuccess && offers.length === 0 && (
        <Empty title="Nothing is offered">
          Say above which agents, workflows, tools and databases clients may find: by name, by the beginning
          of a name with * behind it, or * for all.
        </Empty>
      )}
      {offers.length > 0 && (
        <div>
          <Table label="Offers" columns={COLUMNS} rows={offers} rowKey={(it) => it.name} />
          <More>
            {plural(offers.length, "tool")} that you may see; a client sees what its own token allows.
          </More>
        </div>
      )}
    </>
  );
}

const IS = { tool: "tool", agent: "agent", workflow: "workflow", database: "RAG database" } as const;
const KIND = { tool: "tool", agent: "agent", workflow: "workflow", database: "retrieval" } as const;

const COLUMNS: Column<Offer>[] = [
  {
    head: "Name",
    narrow: "title",
    wide: "44%",
    cell: (it) => (
      <span className="row">
        <KindMark kind={KIND[it.is]} />
        <span className="cut">
          <RowLink to="/mcp" search={{ tab: "try", name: it.name }}>
            {it.name}
          </RowLink>{" "}
          <span className="dim" dir="auto">
            {it.description}
          </span>
        </span>
      </span>
    ),
  },
  { head: "Is", narrow: "end", cell: (it) => <span className="sub nowrap">{IS[it.is]}</span> },
  {
    head: "A caller must hold",
    narrow: "line",
    cell: (it) => <span className="sub small mono">{["mcp.access", ...it.takes].join(" ")}</span>,
  },
];

interface Names {
  tools: readonly { name: string }[];
  agents: readonly { name: string }[];
  workflows: readonly { name: string }[];
  databases: readonly { name: string }[];
}

function Shown({ server, names }: { server: McpServer; names: Names | undefined }) {
  const mayWrite = useMay("admin.write");
  const queries = useQueryClient();
  const say = useToast();
  const [draft, setDraft] = useState<McpServerChange>({
    name: server.name ?? "",
    description: server.description ?? "",
    instructions: server.instructions ?? "",
    expose: server.expose ?? { agents: [], tools: [], workflows: [], rag_databases: [] },
  });
  const save = useMutation({
    mutationFn: () => changeServer(draft),
    onSuccess: (now) => {
      queries.setQueryData(serverQuery.queryKey, now);
      say("Clients that listen hear of it within a second");
    },
  });
  const picked = (
    label: string,
    member: "tools" | "agents" | "workflows" | "rag_databases",
    all: readonly { name: string }[],
  ) => (
    <PickField
      label={label}
      optional
      open
      pointer={`/expose/${member}`}
      options={["*", ...all.map((it) => it.name)]}
      value={draft.expose?.[member] ?? []}
      onChange={(value) => setDraft({ ...draft, expose: { ...draft.expose, [member]: value } as never })}
    />
  );
  return (
    <FaultsOf value={save.isError ? failureOf(save.error).faults : []}>
      <form
        className={formClass}
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <fieldset disabled={!mayWrite} className="stack">
          <TextField
            label="Name"
            pointer="/name"
            hint="By which clients show it."
            value={draft.name ?? ""}
            onChange={(name) => setDraft({ ...draft, name })}
          />
          <TextArea
            label="Instructions"
            optional
            rows={2}
            pointer="/instructions"
            hint="What models are told of how to use it."
            value={draft.instructions ?? ""}
            onChange={(instructions) => setDraft({ ...draft, instructions })}
          />
          {picked("Tools", "tools", names?.tools ?? [])}
          {picked("Agents", "agents", names?.agents ?? [])}
          {picked("Workflows", "workflows", names?.workflows ?? [])}
          {picked("RAG databases", "rag_databases", names?.databases ?? [])}
        </fieldset>
        {save.isError && <ProblemNote error={save.error} known={SHOWN} />}
        {mayWrite ? (
          <div>
            <Button type="submit" look="primary" busy={save.isPending && "Saving…"}>
              Save what is offered
            </Button>
          </div>
        ) : (
          <p className="small dim">
            Changing it needs <code>admin.write</code>.
          </p>
        )}
      </form>
    </FaultsOf>
  );
}
