import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { DefinitionVersion } from "../api/types";
import { Button } from "../kit/Button";
import { Tag } from "../kit/Marks";
import { ProblemNote, Skeleton } from "../kit/Messages";
import { Body } from "../kit/Page";
import { Time } from "../kit/Time";
import { Differences } from "./Differences";
import { useAct } from "./useAct";
import s from "./Versions.module.css";

/** Where the history of definitions of a kind is: how it is read and gone back in. */
export interface History<T> {
  /** What queries of the kind begin with. */
  key: string;
  list: (id: string) => Promise<{ data: DefinitionVersion[] }>;
  read: (id: string, version: number) => Promise<T>;
  restore: (id: string, version: number) => Promise<{ version?: number | null }>;
  /** Members of a definition that are content: what a version is made of. */
  members: readonly (keyof T & string)[];
}

interface Props<T> {
  current: T & { id: string; version?: number | null };
  history: History<T>;
  /** The version that is compared with the current one. */
  chosen: string | undefined;
  mayWrite: boolean;
}

/** What a definition was, who made it so, and what has changed since. */
export function Versions<T>({ current, history, chosen: asked, mayWrite }: Props<T>) {
  const { id } = current;
  const newest = current.version ?? 0;
  const versions = useQuery({ queryKey: [history.key, "versions", id], queryFn: () => history.list(id) });
  const restore = useAct((n: number) => history.restore(id, n), {
    keys: [history.key],
    said: (it, n) => `Version ${it.version} is a copy of version ${n}`,
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
  const chosen = Number(asked) || newest - 1;
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
                  search={((before: object) => ({ ...before, version: String(it.version) })) as never}
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
              {it.version === newest ? (
                <Tag look="ok">current</Tag>
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
        {chosen >= 1 && chosen !== newest ? (
          <Changes current={current} history={history} version={chosen} />
        ) : (
          <p className="sub">Choose an earlier version to see what has changed since.</p>
        )}
      </div>
    </Body>
  );
}

function Changes<T>({
  current,
  history,
  version,
}: Omit<Props<T>, "chosen" | "mayWrite"> & { version: number }) {
  const { id } = current;
  const before = useQuery({
    queryKey: [history.key, "version", id, version],
    queryFn: () => history.read(id, version),
  });
  if (before.isPending) return <Skeleton rows={3} />;
  if (before.isError) return <ProblemNote error={before.error} />;
  return (
    <section className="stack" aria-label="Changes">
      <h2>
        From version {version} to {current.version}
      </h2>
      <Differences before={before.data} after={current} members={history.members} />
    </section>
  );
}
