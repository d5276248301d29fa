import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useMay } from "../api/me";
import { failureOf } from "../api/problem";
import type { Agent, NewAgent } from "../api/types";
import { buttonClass } from "../kit/Button";
import { nearest } from "../kit/find";
import { Tag } from "../kit/Marks";
import { ProblemNote, Skeleton } from "../kit/Messages";
import { Body, Head, Tabs } from "../kit/Page";
import { useToast } from "../kit/Toasts";
import { DefinitionState, NotYours, Problems } from "../parts/DefinitionState";
import { Editor } from "../parts/Editor";
import { Verbs } from "../parts/Verbs";
import { Versions } from "../parts/Versions";
import { AgentForm, SHOWN_POINTERS } from "./AgentForm";
import { bodyOf, contentOf, draftOf } from "./draft";
import { Playground } from "./Playground";
import {
  activateAgent,
  agentHistory,
  agentQuery,
  agentsQuery,
  changeAgent,
  deactivateAgent,
  definitionQuery,
  deleteAgent,
} from "./queries";

const route = getRouteApi("/agents/$name");
const CRUMBS = [{ label: "Agents", to: "/agents" }] as const;

/** One agent: to talk to, to change, and as it was. */
export function AgentPage() {
  const { name } = route.useParams();
  const { tab = "playground", version } = route.useSearch();
  const navigate = route.useNavigate();
  const maySee = useMay("agent.write", "admin.read");
  const mayWrite = useMay("agent.write");
  const definition = useQuery({ ...definitionQuery(name), enabled: maySee });
  const summary = useQuery({ ...agentQuery(name), enabled: !maySee });
  const { data: agent, error, refetch } = maySee ? definition : summary;
  if (!agent) {
    return (
      <>
        <Head title={name} crumbs={CRUMBS} />
        <Body>
          {error ? <ProblemNote error={error} retry={refetch} /> : <Skeleton />}
          {error && failureOf(error).status === 404 && <Meant name={name} />}
        </Body>
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
            <DefinitionState it={agent} />
          </>
        }
        actions={
          <>
            <Link to="/runs" search={{ definition: agent.name }} className={buttonClass()}>
              Its runs
            </Link>
            {whole && mayWrite && (
              <>
                <Link to="/agents/new" search={{ from: agent.name }} className={buttonClass()}>
                  Copy
                </Link>
                <Verbs
                  noun="agent"
                  queryKey="agents"
                  it={whole}
                  activate={activateAgent}
                  deactivate={deactivateAgent}
                  remove={deleteAgent}
                  onRemoved={() => navigate({ to: "/agents" })}
                >
                  Whoever calls it is told that it is not there. Its runs, and the versions that they ran,
                  stay.
                </Verbs>
              </>
            )}
          </>
        }
      />
      {whole && <Problems problems={whole.problems} />}
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
      {tab === "versions" && whole && (
        <Versions
          current={whole}
          history={agentHistory}
          chosen={version}
          mayWrite={mayWrite && whole.source !== "code"}
        />
      )}
    </>
  );
}

/** Where somebody may have wanted to go who wrote a name that there is not. */
function Meant({ name }: { name: string }) {
  const { data } = useQuery(agentsQuery);
  const near = nearest(
    name,
    (data ?? []).map((it) => it.name),
  );
  if (near === undefined) return null;
  return (
    <p>
      Did you mean{" "}
      <Link to="/agents/$name" params={{ name: near }}>
        {near}
      </Link>
      ?
    </p>
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
      {!mayWrite && <NotYours noun="agent" source={agent.source} />}
      <Editor
        key={base.version}
        noun="agent"
        initial={initial}
        bodyOf={bodyOf}
        draftOf={draftOf}
        form={(it) => <AgentForm {...it} isNew={false} />}
        shown={SHOWN_POINTERS}
        promise="Makes a new version, which answers at once"
        save={save}
      />
    </Body>
  );
}
