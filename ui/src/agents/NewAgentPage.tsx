import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Skeleton } from "../kit/Messages";
import { Body, Head } from "../kit/Page";
import { MakeDefinition } from "../parts/Definition";
import { AGENT } from "./AgentForm";
import { contentOf, draftOf, NEW_DRAFT } from "./draft";
import { createAgent, definitionQuery } from "./queries";

const route = getRouteApi("/agents/new");

export function NewAgentPage() {
  const { from } = route.useSearch();
  const navigate = route.useNavigate();
  const original = useQuery({ ...definitionQuery(from ?? ""), enabled: Boolean(from) });
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
          <MakeDefinition
            key={from ?? ""}
            kind={AGENT}
            initial={initial}
            create={createAgent}
            said={(it) => `${it.display_name} is there, and answers`}
            open={(it) => navigate({ to: "/agents/$name", params: { name: it.name } })}
          />
        )}
      </Body>
    </>
  );
}
