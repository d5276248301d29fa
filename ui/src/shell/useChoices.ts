import { useQuery } from "@tanstack/react-query";
import { type LinkProps, useNavigate } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { useMay, useMe } from "../api/me";
import type { IconName } from "../kit/icons";
import { statusWord } from "../kit/Marks";
import { placesFor } from "./navigation";
import { documentsQuery, namesQuery } from "./queries";
import { nextTheme, setTheme, useTheme } from "./theme";

export interface Choice {
  id: string;
  label: string;
  hint?: string;
  icon: IconName;
  group: "Do" | "Open";
  choose: () => void;
}

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** All that can be done and opened by whoever is signed in; `query` may be the id of a run. */
export function useChoices(query: string): Choice[] {
  const navigate = useNavigate();
  const me = useMe();
  const theme = useTheme();
  const [mayAgent, mayTool] = [useMay("agent.write"), useMay("tool.write")];
  const [mayWorkflow, mayRun] = [useMay("workflow.write"), useMay("workflow.execute")];
  const may = {
    agents: useMay("agent.read", "agent.execute"),
    workflows: useMay("workflow.read", "workflow.execute"),
    tools: useMay("tool.read", "tool.execute"),
    documents: useMay("rag.read", "rag.write"),
    runs: useMay("run.read", "agent.execute", "tool.execute", "workflow.execute"),
  };
  const { data: names } = useQuery(namesQuery(may));
  const { data: documents } = useQuery({
    ...documentsQuery(useSettled(query.trim())),
    enabled: may.documents,
  });
  return useMemo(() => {
    const go = (to: LinkProps["to"], params: object = {}, search: object = {}) => {
      navigate({ to, params, search } as never);
    };
    const open = (id: string, label: string, hint: string, icon: IconName, choose: () => void): Choice => ({
      id,
      label,
      hint,
      icon,
      group: "Open",
      choose,
    });
    const does = (id: string, label: string, icon: IconName, choose: () => void): Choice => ({
      id,
      label,
      icon,
      group: "Do",
      choose,
    });
    const next = nextTheme(theme);
    const run = query.trim();
    return [
      ...(mayAgent ? [does("new-agent", "New agent", "plus", () => go("/agents/new"))] : []),
      ...(mayWorkflow ? [does("new-workflow", "New workflow", "plus", () => go("/workflows/new"))] : []),
      ...(mayTool ? [does("new-tool", "New tool", "plus", () => go("/tools/new"))] : []),
      ...(mayTool ? [does("import", "Import OpenAPI", "download", () => go("/tools/import"))] : []),
      does("theme", `Use the theme ${next}`, "moon", () => setTheme(next)),
      ...(ID.test(run) ? [open("run", run, "run", "list-tree", () => go("/runs/$id", { id: run }))] : []),
      ...placesFor(me.scopes).map((it) =>
        open(`place-${it.to.slice(1)}`, it.label, "", it.icon, () => go(it.to)),
      ),
      ...(names?.agents ?? []).map((it) =>
        open(`agent-${it.id}`, it.display_name, it.name, "bot", () => go("/agents/$name", { name: it.name })),
      ),
      ...(names?.workflows ?? []).flatMap((it) => {
        const to = (search: object) => go("/workflows/$workflowId", { workflowId: it.name }, search);
        const opens = open(`workflow-${it.id}`, it.display_name, `${it.name} · workflow`, "workflow", () =>
          to({}),
        );
        const runs = does(`run-workflow-${it.id}`, `Run ${it.display_name}…`, "play", () =>
          to({ tab: "run" }),
        );
        return mayRun && query.trim() !== "" ? [runs, opens] : [opens];
      }),
      ...(names?.tools ?? []).map((it) =>
        open(`tool-${it.id}`, it.name, "tool", "wrench", () => go("/tools/$name", { name: it.name })),
      ),
      ...(names?.databases ?? []).map((it) =>
        open(`rag-${it.id}`, it.display_name, `${it.name} · documents`, "library", () =>
          go("/rag/$name", { name: it.name }),
        ),
      ),
      ...(documents?.data ?? []).map((it) => {
        const name = names?.databases.find(({ id }) => id === it.rag_database_id)?.name ?? it.rag_database_id;
        return open(`document-${it.id}`, it.filename, `in ${name}`, "file-text", () =>
          go("/rag/$name/$document", { name, document: it.id }),
        );
      }),
      ...(names?.runs ?? []).map((it) =>
        open(
          `run-${it.id}`,
          `Run of ${it.definition.name}`,
          `${statusWord(it.status)} · ${it.id.slice(-8)}`,
          "list-tree",
          () => go("/runs/$id", { id: it.id }),
        ),
      ),
    ];
  }, [me.scopes, mayAgent, mayTool, mayWorkflow, mayRun, theme, names, documents, navigate, query]);
}

/** What is typed, as soon as nothing more is for a moment: not each letter is asked for. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), 150);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
