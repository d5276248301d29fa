import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMay } from "../api/me";
import type { Agent, AgentContent } from "../api/types";
import { Button } from "../kit/Button";
import { diffLines, nearChanges } from "../kit/diff";
import { pretty } from "../kit/json";
import { Tag } from "../kit/Marks";
import { ProblemNote, Skeleton } from "../kit/Messages";
import { Body } from "../kit/Page";
import { Time } from "../kit/Time";
import { useToast } from "../kit/Toasts";
import s from "./Agents.module.css";
import { CONTENT } from "./draft";
import { definitionQuery, restoreAgent, versionsQuery } from "./queries";

const route = getRouteApi("/agents/$name");

/** What the agent was, who made it so, and what has changed since. */
export function Versions({ agent }: { agent: Agent }) {
  const { version } = route.useSearch();
  const versions = useQuery(versionsQuery(agent.id));
  const mayWrite = useMay("agent.write") && agent.source !== "code";
  const queries = useQueryClient();
  const say = useToast();
  const restore = useMutation({
    mutationFn: (n: number) => restoreAgent(agent.id, n),
    onSuccess: (it, n) => {
      queries.invalidateQueries({ queryKey: ["agents"] });
      say(`Version ${it.version} is a copy of version ${n}`);
    },
  });
  if (versions.isPending)
    return (
      <Body>
        <Skeleton />
      </Body>
    );
  if (versions.isError)
    return (
      <Body>
        <ProblemNote error={versions.error} retry={() => versions.refetch()} />
      </Body>
    );
  const chosen = Number(version) || agent.version - 1;
  return (
    <Body>
      {restore.isError && <ProblemNote error={restore.error} />}
      <div className={s.versions}>
        <ol>
          {versions.data.data.map((it) => (
            <li key={it.version} data-on={it.version === chosen || undefined}>
              <span className="grow">
                <Link
                  to="."
                  search={(before) => ({ ...before, version: String(it.version) })}
                  className="strong"
                  aria-current={it.version === chosen || undefined}
                >
                  Version {it.version}
                </Link>
                <br />
                <span className="small dim">
                  {it.created_at && <Time at={it.created_at} />} {it.created_by && ` · ${it.created_by}`}{" "}
                  {it.note && ` · ${it.note}`}
                </span>
              </span>
              {it.version === agent.version ? (
                <Tag look="ok">answers</Tag>
              ) : (
                mayWrite && (
                  <Button
                    small
                    busy={restore.isPending && restore.variables === it.version && "Restoring…"}
                    onClick={() => restore.mutate(it.version)}
                  >
                    Restore
                  </Button>
                )
              )}
            </li>
          ))}
        </ol>
        {chosen >= 1 && chosen !== agent.version ? (
          <Changes agent={agent} version={chosen} />
        ) : (
          <p className="sub">Choose an earlier version to see what has changed since.</p>
        )}
      </div>
    </Body>
  );
}

function Changes({ agent, version }: { agent: Agent; version: number }) {
  const before = useQuery(definitionQuery(agent.id, version));
  if (before.isPending) return <Skeleton rows={3} />;
  if (before.isError) return <ProblemNote error={before.error} />;
  const changed = CONTENT.filter((name) => pretty(before.data[name]) !== pretty(agent[name]));
  return (
    <section className="stack" aria-label="Changes">
      <h2>
        From version {version} to {agent.version}
      </h2>
      {changed.length === 0 && <p className="sub">Nothing differs.</p>}
      {changed.map((name) => (
        <div key={name}>
          <h3 className="small">
            <code>{name}</code>
          </h3>
          <Diff before={textOf(before.data, name)} after={textOf(agent, name)} />
        </div>
      ))}
    </section>
  );
}

const textOf = (it: AgentContent, name: (typeof CONTENT)[number]) => {
  const value = it[name];
  return typeof value === "string" ? value : pretty(value);
};

const LOOK = { "+": s.add, "-": s.del, " ": s.same };

function Diff({ before, after }: { before: string; after: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <pre className={s.diff} tabIndex={0}>
      {nearChanges(diffLines(before, after)).map((it, at) => (
        <span key={at} className={it ? LOOK[it.sign] : s.same} dir="auto">
          {it ? `${it.sign} ${it.text}` : "  …"}
        </span>
      ))}
    </pre>
  );
}
