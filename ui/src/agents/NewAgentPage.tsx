import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import type { NewAgent } from "../api/types";
import { Skeleton } from "../kit/Messages";
import { Body, Head } from "../kit/Page";
import { useToast } from "../kit/Toasts";
import { Editor } from "../parts/Editor";
import { AgentForm, SHOWN_POINTERS } from "./AgentForm";
import { bodyOf, contentOf, draftOf, NEW_DRAFT } from "./draft";
import { createAgent, definitionQuery } from "./queries";

const route = getRouteApi("/agents/new");

export function NewAgentPage() {
  const { from } = route.useSearch();
  const navigate = route.useNavigate();
  const queries = useQueryClient();
  const say = useToast();
  const original = useQuery({ ...definitionQuery(from ?? ""), enabled: Boolean(from) });
  const save = async (body: NewAgent) => {
    const made = await createAgent(body);
    queries.invalidateQueries({ queryKey: ["agents"] });
    say(`${made.display_name} is there, and answers`);
    await navigate({ to: "/agents/$name", params: { name: made.name } });
  };
  const initial = original.data
    ? { ...draftOf(contentOf(original.data)), name: "", display_name: "" }
    : NEW_DRAFT;
  return (
    <>
      <Head title="New agent" crumbs={[{ label: "Agents", to: "/agents" }]} />
      <Body>
        {from && original.isPending ? (
          <Skeleton />
        ) : (
          <Editor
            key={from ?? ""}
            noun="agent"
            initial={initial}
            bodyOf={bodyOf}
            draftOf={draftOf}
            form={(it) => <AgentForm {...it} isNew />}
            shown={SHOWN_POINTERS}
            promise="Makes version 1, which answers at once"
            save={save}
          />
        )}
      </Body>
    </>
  );
}
