import { getRouteApi } from "@tanstack/react-router";
import { MakeDefinition } from "../parts/Definition";
import { NewPage } from "../parts/NewPage";
import { AGENT } from "./AgentForm";
import { contentOf, draftOf, NEW_DRAFT } from "./draft";
import { createAgent, definitionQuery } from "./queries";

const route = getRouteApi("/agents/new");
const CRUMBS = [{ label: "Agents", to: "/agents" }] as const;

export function NewAgentPage() {
  const { from } = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <NewPage title="New agent" crumbs={CRUMBS} from={from} read={definitionQuery}>
      {(original) => (
        <MakeDefinition
          key={from ?? ""}
          kind={AGENT}
          initial={original ? { ...draftOf(contentOf(original)), name: "", display_name: "" } : NEW_DRAFT}
          create={createAgent}
          said={(it) => `${it.display_name} is there, and answers`}
          open={(it) => navigate({ to: "/agents/$name", params: { name: it.name } })}
        />
      )}
    </NewPage>
  );
}
