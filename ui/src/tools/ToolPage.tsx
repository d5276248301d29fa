import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useMay } from "../api/me";
import { failureOf } from "../api/problem";
import type { NewTool, Tool } from "../api/types";
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
import { Bench } from "./Bench";
import { bodyOf, contentOf, draftOf } from "./draft";
import {
  activateTool,
  changeTool,
  deactivateTool,
  deleteTool,
  toolDefinitionQuery,
  toolHistory,
  toolQuery,
  toolsQuery,
} from "./queries";
import { SHOWN_POINTERS, ToolForm } from "./ToolForm";

const route = getRouteApi("/tools/$name");
const CRUMBS = [{ label: "Tools", to: "/tools" }] as const;

/** One tool: to try, to change, and as it was. */
export function ToolPage() {
  const { name } = route.useParams();
  const { tab = "test", version } = route.useSearch();
  const navigate = route.useNavigate();
  const mayWrite = useMay("tool.write");
  const maySee = useMay("tool.write", "admin.read");
  const { data: tool, error, refetch } = useQuery(toolQuery(name));
  const { data: whole } = useQuery({ ...toolDefinitionQuery(name), enabled: maySee });
  if (!tool) {
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
  const mayChange = mayWrite && whole?.source !== "code" && whole?.kind !== "mcp";
  return (
    <>
      <Head
        title={tool.name}
        crumbs={CRUMBS}
        beside={
          <>
            {whole && <Tag>{whole.kind}</Tag>}
            {tool.version && <Tag>v{tool.version}</Tag>}
            <DefinitionState it={whole ?? tool} />
          </>
        }
        lede={<p dir="auto">{tool.description}</p>}
        actions={
          <>
            <Link to="/runs" search={{ definition: tool.name, kind: "tool" }} className={buttonClass()}>
              Its runs
            </Link>
            {whole && mayWrite && (
              <>
                <Link to="/tools/new" search={{ from: tool.name }} className={buttonClass()}>
                  Copy
                </Link>
                <Verbs
                  noun="tool"
                  queryKey="tools"
                  it={whole}
                  activate={activateTool}
                  deactivate={deactivateTool}
                  remove={deleteTool}
                  onRemoved={() => navigate({ to: "/tools" })}
                >
                  Agents that name it are told that it is not there. Its runs stay.
                </Verbs>
              </>
            )}
          </>
        }
      />
      {whole && <Problems problems={whole.problems} />}
      <Tabs
        label="Tool"
        current={tab}
        tabs={[
          { id: "test", label: "Test bench" },
          ...(whole ? ([{ id: "definition", label: "Definition" }] as const) : []),
          ...(whole?.version ? ([{ id: "versions", label: "Versions", count: whole.version }] as const) : []),
        ]}
      />
      {tab === "test" && <Bench key={`${tool.id} ${tool.version}`} tool={tool} />}
      {tab === "definition" && whole && <Definition tool={whole} mayChange={mayChange} />}
      {tab === "versions" && whole?.version && (
        <Versions current={whole} history={toolHistory} chosen={version} mayWrite={mayChange} />
      )}
    </>
  );
}

/** Where somebody may have wanted to go who wrote a name that there is not. */
function Meant({ name }: { name: string }) {
  const { data } = useQuery(toolsQuery);
  const near = nearest(
    name,
    (data ?? []).map((it) => it.name),
  );
  if (near === undefined) return null;
  return (
    <p>
      Did you mean{" "}
      <Link to="/tools/$name" params={{ name: near }}>
        {near}
      </Link>
      ?
    </p>
  );
}

function Definition({ tool, mayChange }: { tool: Tool; mayChange: boolean }) {
  const queries = useQueryClient();
  const say = useToast();
  // What was read when somebody began to type: what others save meanwhile must not take it from under his hands.
  const [base, setBase] = useState(tool);
  const initial = useMemo(() => draftOf(contentOf(base)), [base]);
  const save = async (body: NewTool, onTop: boolean) => {
    const changed = await changeTool(tool.id, onTop ? null : (base.version ?? null), body);
    setBase(changed);
    queries.setQueryData(toolDefinitionQuery(tool.name).queryKey, changed);
    queries.invalidateQueries({ queryKey: ["tools"] });
    say(
      changed.version === base.version
        ? "Nothing of its content changed: there is no new version"
        : `Version ${changed.version} is called from now on`,
    );
  };
  return (
    <Body>
      {!mayChange && <NotYours noun="tool" source={tool.source} />}
      <Editor
        key={base.version}
        noun="tool"
        initial={initial}
        bodyOf={bodyOf}
        draftOf={draftOf}
        form={(it) => <ToolForm {...it} isNew={false} />}
        shown={SHOWN_POINTERS}
        promise="Makes a new version, which is called at once"
        save={save}
      />
    </Body>
  );
}
