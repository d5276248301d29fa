import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { useMay } from "../api/me";
import { Button, buttonClass } from "../kit/Button";
import { Refused } from "../kit/FormDialog";
import { plural } from "../kit/format";
import { Icon } from "../kit/Icon";
import { Tag } from "../kit/Marks";
import { Note, Skeleton } from "../kit/Messages";
import { Body, Head, Tabs } from "../kit/Page";
import { Time } from "../kit/Time";
import { Problems } from "../parts/DefinitionState";
import { Meant, unread } from "../parts/Unread";
import { useAct } from "../parts/useAct";
import { Verbs } from "../parts/Verbs";
import { UPSTREAM_CRUMBS } from "./NewUpstreamPage";
import {
  deleteUpstream,
  refreshUpstream,
  turnUpstream,
  type Upstream,
  upstreamHistory,
  upstreamQuery,
  upstreamsQuery,
} from "./queries";
import { Health } from "./UpstreamList";
import { UpstreamTools } from "./UpstreamTools";
import { takenWords } from "./upstream";

const ChangeUpstream = lazy(() => import("./ChangeUpstream"));
const Versions = lazy(() => import("../parts/Versions").then((it) => ({ default: it.Versions<Upstream> })));

const route = getRouteApi("/mcp/upstreams/$name");

/** A server of others: what is taken in of it, how it is asked, and what it says otherwise since. */
export function UpstreamPage() {
  const { name } = route.useParams();
  const { tab = "tools", version } = route.useSearch();
  const { data: upstream, error, refetch } = useQuery(upstreamQuery(name));
  // One that is a program beside the server is set up elsewhere: it has no address.
  const mayChange = useMay("admin.write") && Boolean(upstream?.url);
  if (!upstream) {
    const link = (near: string) => (
      <Link to="/mcp/upstreams/$name" params={{ name: near }}>
        {near}
      </Link>
    );
    return unread({
      title: name,
      crumbs: UPSTREAM_CRUMBS,
      error,
      retry: refetch,
      meant: <Meant name={name} query={upstreamsQuery} link={link} />,
    });
  }
  const changed = upstream.tools.filter((it) => it.changed).length;
  return (
    <>
      <Head
        title={upstream.display_name}
        crumbs={UPSTREAM_CRUMBS}
        beside={
          <>
            <Tag>v{upstream.version}</Tag>
            <Health it={upstream} />
          </>
        }
        lede={<About it={upstream} />}
        actions={<Actions it={upstream} />}
      />
      <Problems problems={upstream.problems} />
      <Trouble of={upstream} />
      <Tabs
        label="Upstream"
        current={tab}
        tabs={[
          { id: "tools", label: changed > 0 ? `Tools, ${plural(changed, "change")}` : "Tools" },
          { id: "definition", label: "Definition" },
          { id: "versions", label: "Versions", count: upstream.version },
        ]}
      />
      {tab === "tools" && (
        <Body>
          <UpstreamTools it={upstream} />
        </Body>
      )}
      <Suspense
        fallback={
          <Body>
            <Skeleton />
          </Body>
        }
      >
        {tab === "definition" && <ChangeUpstream key={upstream.id} it={upstream} mayChange={mayChange} />}
        {tab === "versions" && (
          <Versions current={upstream} history={upstreamHistory} chosen={version} mayWrite={mayChange} />
        )}
      </Suspense>
    </>
  );
}

/** Why it could not be asked, and where one agrees to that it is. */
function Trouble({ of: { state, last_error, consent_url } }: { of: Upstream }) {
  const needsConsent = state === "needs_consent" && consent_url;
  if (!needsConsent && !last_error) return null;
  return (
    <div style={{ padding: "12px var(--gutter) 0" }}>
      {needsConsent ? (
        <Note
          look="warn"
          title="Its tools are taken in when you agree"
          action={
            <a href={consent_url} target="_blank" rel="noreferrer" className={buttonClass("primary")}>
              <Icon name="external-link" /> Agree
            </a>
          }
        >
          It is used in the name of a person who has agreed to that. Then look at it again.
        </Note>
      ) : (
        <Note look="bad" title={`It could not be asked: ${last_error}`} />
      )}
    </div>
  );
}

function About({ it }: { it: Upstream }) {
  return (
    <p>
      {it.url && (
        <>
          <code>{it.url}</code> ·{" "}
        </>
      )}
      {takenWords(it.tools)} taken in
      {it.checked_at && (
        <>
          {" "}
          · looked at <Time at={it.checked_at} />
        </>
      )}
      {it.protocol_version && ` · revision ${it.protocol_version}`}
    </p>
  );
}

function Actions({ it }: { it: Upstream }) {
  const mayWrite = useMay("admin.write");
  const navigate = route.useNavigate();
  const look = useAct(() => refreshUpstream(it.id), {
    keys: ["mcp", "tools"],
    said: (now) =>
      now.last_error
        ? `${now.display_name} could not be asked`
        : `Looked at ${now.display_name}: ${takenWords(now.tools)} taken in`,
  });
  if (!mayWrite) return null;
  return (
    <>
      <Button icon="refresh-cw" busy={look.isPending && "Looking…"} onClick={() => look.mutate()}>
        Look again
      </Button>
      <Refused title="It could not be looked at" of={look} />
      <Verbs
        noun="upstream"
        queryKey="mcp"
        it={it}
        turn={turnUpstream}
        remove={deleteUpstream}
        onRemoved={() => navigate({ to: "/mcp", search: { tab: "upstreams" } })}
      >
        {takenWords(it.tools)} of it go, too. Agents that name one are told that it is not there.
      </Verbs>
    </>
  );
}
