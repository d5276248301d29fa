import { getRouteApi } from "@tanstack/react-router";
import { Body, Head } from "../kit/Page";
import { MakeDefinition } from "../parts/Definition";
import { createUpstream } from "./queries";
import { UPSTREAM } from "./UpstreamForm";
import { draftOf } from "./upstream";

const route = getRouteApi("/mcp/upstreams/new");
const EMPTY = draftOf({});

/** Takes in a server of others: it is looked at as soon as it is saved. */
export function NewUpstreamPage() {
  const navigate = route.useNavigate();
  return (
    <>
      <Head
        title="New upstream"
        crumbs={UPSTREAM_CRUMBS}
        lede="Its tools are taken in as they describe themselves now. What it says of one later is not used before somebody accepts it."
      />
      <Body>
        <MakeDefinition
          kind={UPSTREAM}
          initial={EMPTY}
          create={createUpstream}
          said={(it) =>
            it.last_error
              ? `${it.display_name} is there, but cannot be asked`
              : `${it.display_name} is connected`
          }
          open={(it) => navigate({ to: "/mcp/upstreams/$name", params: { name: it.name } })}
        />
      </Body>
    </>
  );
}

export const UPSTREAM_CRUMBS = [{ label: "MCP", to: "/mcp", search: { tab: "upstreams" } }] as const;
