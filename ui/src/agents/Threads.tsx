import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Button, buttonClass } from "../kit/Button";
import { Icon } from "../kit/Icon";
import s from "./Playground.module.css";
import { deleteThread, threadsQuery } from "./queries";

const route = getRouteApi("/agents/$name");

/** The conversations that were begun here with an agent. */
export function Threads({
  agent,
  current,
  isOpen,
}: {
  agent: string;
  current: string | undefined;
  isOpen: boolean;
}) {
  const threads = useQuery(threadsQuery(agent));
  const queries = useQueryClient();
  const navigate = route.useNavigate();
  const remove = async (id: string) => {
    await deleteThread(id);
    queries.invalidateQueries({ queryKey: threadsQuery(agent).queryKey });
    if (id === current) navigate({ search: (before) => ({ ...before, thread: undefined }) });
  };
  return (
    <nav className={s.threads} aria-label="Threads" data-open={isOpen || undefined}>
      <Link to="." search={(before) => ({ ...before, thread: undefined })} className={buttonClass()}>
        <Icon name="plus" /> New thread
      </Link>
      {threads.data && threads.data.length > 0 && <h2>Threads</h2>}
      {threads.data?.map((it) => (
        <div key={it.id} data-on={it.id === current || undefined}>
          <Link
            to="."
            search={(before) => ({ ...before, thread: it.id })}
            activeProps={{}}
            aria-current={it.id === current ? "page" : undefined}
          >
            <span className="cut" dir="auto">
              {it.title ?? "Untitled"}
            </span>
          </Link>
          <span data-delete>
            <Button
              small
              look="quiet"
              icon="trash-2"
              aria-label={`Delete thread ${it.title ?? ""}`}
              onClick={() => remove(it.id)}
            />
          </span>
        </div>
      ))}
    </nav>
  );
}
