import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useMay } from "../api/me";
import { Failure } from "../api/problem";
import type { Agent, NewAgent } from "../api/types";
import { Button, buttonClass } from "../kit/Button";
import { sentence } from "../kit/Field";
import { Tag } from "../kit/Marks";
import { Dialog, Note, ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Head, Tabs } from "../kit/Page";
import { useToast } from "../kit/Toasts";
import { State } from "./AgentsPage";
import { contentOf, draftOf } from "./draft";
import { Editor } from "./Editor";
import { Playground } from "./Playground";
import {
  activateAgent,
  agentQuery,
  changeAgent,
  deactivateAgent,
  definitionQuery,
  deleteAgent,
} from "./queries";
import { Versions } from "./Versions";

const route = getRouteApi("/agents/$name");
const CRUMBS = [{ label: "Agents", to: "/agents" }] as const;

/** One agent: to talk to, to change, and as it was. */
export function AgentPage() {
  const { name } = route.useParams();
  const { tab = "playground" } = route.useSearch();
  const maySee = useMay("agent.write", "admin.read");
  const definition = useQuery({ ...definitionQuery(name), enabled: maySee });
  const summary = useQuery({ ...agentQuery(name), enabled: !maySee });
  const { data: agent, error, refetch } = maySee ? definition : summary;
  if (!agent) {
    return (
      <>
        <Head title={name} crumbs={CRUMBS} />
        <Body>{error ? <ProblemNote error={error} retry={refetch} /> : <Skeleton />}</Body>
      </>
    );
  }
  const whole = definition.data;
  return (
    <>
      <Head
        title={agent.display_name}
        crumbs={CRUMBS}
        beside={
          <>
            <Tag>v{agent.version}</Tag>
            <State agent={agent} />
          </>
        }
        actions={
          <>
            <Link to="/runs" search={{ definition: agent.name }} className={buttonClass()}>
              Its runs
            </Link>
            {whole && <Verbs agent={whole} />}
          </>
        }
      />
      {whole && whole.problems.length > 0 && (
        <div style={{ padding: "12px var(--gutter) 0" }}>
          <Note look="bad" title="It cannot be executed as it is">
            <ul>
              {whole.problems.map((it) => (
                <li key={it.pointer + it.code}>
                  <code>{it.pointer}</code> {sentence(it.detail)}
                </li>
              ))}
            </ul>
          </Note>
        </div>
      )}
      <Tabs
        label="Agent"
        current={tab}
        tabs={[
          { id: "playground", label: "Playground" },
          ...(whole
            ? ([
                { id: "definition", label: "Definition" },
                { id: "versions", label: "Versions", count: whole.version },
              ] as const)
            : []),
        ]}
      />
      {tab === "playground" && <Playground key={agent.id} name={agent.name} definition={whole ?? null} />}
      {tab === "definition" && whole && <Definition agent={whole} />}
      {tab === "versions" && whole && <Versions agent={whole} />}
    </>
  );
}

function Definition({ agent }: { agent: Agent }) {
  const mayWrite = useMay("agent.write") && agent.source !== "code";
  const queries = useQueryClient();
  const say = useToast();
  // What was read when somebody began to type: what others save meanwhile must not take it from under his hands.
  const [base, setBase] = useState(agent);
  const initial = useMemo(() => draftOf(contentOf(base)), [base]);
  const save = async (body: NewAgent, onTop: boolean) => {
    const changed = await changeAgent(agent.id, onTop ? null : base.version, body);
    setBase(changed);
    queries.setQueryData(definitionQuery(agent.name).queryKey, changed);
    queries.invalidateQueries({ queryKey: ["agents"] });
    say(
      changed.version === base.version
        ? "Nothing of its content changed: there is no new version"
        : `Version ${changed.version} answers from now on`,
    );
  };
  return (
    <Body>
      {!mayWrite && (
        <Note
          title={
            agent.source === "code" ? "It is defined in the code of the server" : "You may look, not change"
          }
        >
          {agent.source === "code"
            ? "Change it there, or make a copy under another name."
            : "Saving agents needs agent.write."}
        </Note>
      )}
      <Editor
        key={base.version}
        initial={initial}
        isNew={false}
        promise="Makes a new version, which answers at once"
        save={save}
      />
    </Body>
  );
}

/** What is done with an agent as a whole. */
function Verbs({ agent }: { agent: Agent }) {
  const mayWrite = useMay("agent.write");
  const [isDeleting, setDeleting] = useState(false);
  const queries = useQueryClient();
  const navigate = route.useNavigate();
  const say = useToast();
  const turn = useMutation({
    mutationFn: () => (agent.is_active ? deactivateAgent(agent.id) : activateAgent(agent.id)),
    onSuccess: (it) => {
      queries.invalidateQueries({ queryKey: ["agents"] });
      say(`${it.display_name} is ${it.is_active ? "active" : "inactive: it answers nobody"}`);
    },
  });
  const remove = useMutation({
    mutationFn: (force: boolean) => deleteAgent(agent.id, force),
    onSuccess: () => {
      queries.invalidateQueries({ queryKey: ["agents"] });
      say(`Deleted ${agent.display_name}; its runs stay`);
      navigate({ to: "/agents" });
    },
  });
  if (!mayWrite) return null;
  const isInUse = remove.error instanceof Failure && remove.error.slug === "agent-in-use";
  return (
    <>
      <Link to="/agents/new" search={{ from: agent.name }} className={buttonClass()}>
        Copy
      </Link>
      {agent.source !== "code" && (
        <>
          <Button busy={turn.isPending && "Changing…"} onClick={() => turn.mutate()}>
            {agent.is_active ? "Deactivate" : "Activate"}
          </Button>
          <Button look="danger" icon="trash-2" aria-label="Delete agent…" onClick={() => setDeleting(true)} />
        </>
      )}
      {isDeleting && (
        <Dialog
          title={`Delete ${agent.display_name}?`}
          onClose={() => setDeleting(false)}
          onSubmit={() => remove.mutate(isInUse)}
          footer={
            <>
              <Button onClick={() => setDeleting(false)}>Keep it</Button>
              <Button type="submit" look="destroy" busy={remove.isPending && "Deleting…"}>
                {isInUse ? "Delete it all the same" : "Delete agent"}
              </Button>
            </>
          }
        >
          <p className="sub">
            Whoever calls it is told that it is not there. Its runs, and the versions that they ran, stay.
          </p>
          {remove.isError && <ProblemNote error={remove.error} />}
        </Dialog>
      )}
    </>
  );
}
