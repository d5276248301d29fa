import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import type { NewWorkflow, Workflow } from "../api/types";
import { type Entry, type EntryType, idOf, keyOf, type Path, pathOfKey, pointerTo } from "../graph/entry";
import { Graph } from "../graph/Graph";
import { sentence, useFaults } from "../kit/Field";
import { parseObject } from "../kit/json";
import { Note, Skeleton } from "../kit/Messages";
import { useToast } from "../kit/Toasts";
import { useNarrow } from "../kit/useNarrow";
import type { Kind } from "../parts/Definition";
import type { FormProps } from "../parts/Editor";
import { connect, entryAt, insert, isMakingUp, listOf, newEntry, put, remove } from "./change";
import { bodyOf, contentOf, draftOf, type WorkflowDraft } from "./draft";
import { EntryPanel, Menu, TYPE_OPTIONS } from "./EntryPanel";
import { checkWorkflow } from "./queries";
import { entryOfPointer } from "./reads";
import { Settings } from "./Settings";
import { useNames } from "./useNames";
import s from "./Workflows.module.css";

/** The pointers at which fields show faults themselves. */
const SHOWN_POINTERS = [
  "/name",
  "/display_name",
  "/description",
  "/input_schema",
  "/output_schema",
  "/steps",
  "/output",
  "/limits",
  "/scopes",
  "/metadata",
];

/**
 * The editor of a workflow: its graph, and beside it what is open, an entry or the workflow itself.
 *
 * Data flow: draft → graph and panel → `change.ts` (pure) → the next draft. What is wrong comes from the server, by pointers.
 * State: the draft is the editor's, what is open stands in the URL.
 */
function WorkflowForm({ draft, setDraft, errors, isNew }: FormProps<WorkflowDraft> & { isNew: boolean }) {
  const { entry: key = "" } = useSearch({ strict: false }) as { entry?: string };
  const navigate = useNavigate();
  const names = useNames();
  const say = useToast();
  const panel = useRef<HTMLElement>(null);
  const isNarrow = useNarrow();
  const { steps } = draft;
  const open = pathOfKey(key);
  const isEntry = entryAt(steps, open) !== null;
  const wrong = useWrong(steps, errors);

  const show = (path: Path | null) =>
    navigate({
      to: ".",
      search: ((before: object) => ({ ...before, entry: path ? keyOf(path) : undefined })) as never,
      replace: true,
      resetScroll: false,
    });
  const change = (next: readonly Entry[], path?: Path | null) => {
    setDraft((before) => ({ ...before, steps: next }));
    if (path !== undefined) show(path);
  };
  const take = (path: Path) => {
    const [gone, next] = [entryAt(steps, path) ?? {}, remove(steps, path)];
    change(next, isMakingUp(path) ? path.slice(0, -1) : null);
    const putBack = () => {
      const [list, place] = listOf(path);
      const again = (now: readonly Entry[]) =>
        now === next ? steps : isMakingUp(path) ? put(now, path, gone) : insert(now, list, place, gone);
      setDraft((before) => ({ ...before, steps: again(before.steps) }));
      show(path);
    };
    say(`Deleted ${idOf(gone) || "an entry"}`, putBack);
  };
  const add = (list: Path, place: number, type: string) =>
    change(insert(steps, list, place, newEntry(steps, type as EntryType)), [...list, place]);

  const tie = (from: string, to: string) => {
    const next = connect(steps, pathOfKey(from), pathOfKey(to));
    if (typeof next === "string") say(next);
    else change(next);
  };

  // What is open stands below the list there.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another one is open
  useEffect(() => {
    if (isNarrow && isEntry) panel.current?.scrollIntoView({ block: "start" });
  }, [key, names === null]);

  if (!names) return <Skeleton />;
  return (
    <div className={s.editor}>
      <div className={s.board}>
        <div className="row wrap">
          <span className={s.add}>
            <Menu
              label="Add an entry…"
              options={TYPE_OPTIONS}
              onPick={(type) => add([], steps.length, type)}
            />
          </span>
          <span className="small dim">
            at the end. Open another one to add before it, after it or into it.{" "}
            <span className="hide-n">Drag one onto another to have that wait for it.</span>
          </span>
        </div>
        <Graph
          steps={steps}
          selected={isEntry ? key : undefined}
          onSelect={(_, way) => show(pathOfKey(way))}
          problems={Object.fromEntries(wrong.flatMap((it) => (it.path ? [[keyOf(it.path), it.detail]] : [])))}
          onConnect={tie}
          onGap={(list) => add(list, 0, "mapping")}
        />
        {wrong.length > 0 && <Wrong wrong={wrong} steps={steps} onOpen={show} />}
      </div>
      <aside ref={panel} className={s.panel} aria-label={isEntry ? "Entry" : "Workflow"}>
        {isEntry ? (
          <EntryPanel
            key={key}
            steps={steps}
            path={open}
            inputSchema={schemaOf(draft.input_schema)}
            names={names}
            change={change}
            remove={() => take(open)}
            onClose={() => show(null)}
          />
        ) : (
          <Settings {...{ draft, setDraft, errors, isNew }} />
        )}
      </aside>
    </div>
  );
}

function schemaOf(text: string): unknown {
  const parsed = parseObject(text);
  return "value" in parsed ? parsed.value : null;
}

interface WrongEntry {
  pointer: string;
  detail: string;
  path: Path | null;
}

/** What is wrong with the entries: what cannot be read, and what the server found. */
function useWrong(steps: readonly Entry[], errors: Record<string, string>): WrongEntry[] {
  const faults = useFaults("/steps");
  const unread = Object.entries(errors).filter(([pointer]) => pointer.startsWith("/steps/"));
  return [...unread.map(([pointer, detail]) => ({ pointer, detail })), ...faults].map(
    ({ pointer, detail }) => ({
      pointer,
      detail: sentence(detail),
      path: entryOfPointer(steps, pointer),
    }),
  );
}

const MOST_SHOWN = 8;

function Wrong({
  wrong,
  steps,
  onOpen,
}: {
  wrong: readonly WrongEntry[];
  steps: readonly Entry[];
  onOpen: (path: Path) => void;
}) {
  return (
    <Note look="warn" title={wrong.length === 1 ? "One thing is wrong" : `${wrong.length} things are wrong`}>
      <ul>
        {wrong.slice(0, MOST_SHOWN).map(({ pointer, detail, path }) => (
          <li key={pointer + detail}>
            {path && (
              <button type="button" className={s.lead} onClick={() => onOpen(path)}>
                {idOf(entryAt(steps, path) ?? {}) || "without an id"}
              </button>
            )}{" "}
            <code>{path ? pointer.slice(pointerTo(path).length + 1) : pointer}</code> {detail}
          </li>
        ))}
      </ul>
      {wrong.length > MOST_SHOWN && <p>and {wrong.length - MOST_SHOWN} more</p>}
    </Note>
  );
}

/** How workflows are edited. */
export const WORKFLOW: Kind<Workflow, WorkflowDraft, NewWorkflow> = {
  noun: "workflow",
  key: "workflows",
  contentOf,
  draftOf,
  bodyOf,
  Form: WorkflowForm,
  shown: SHOWN_POINTERS,
  does: "is executed",
  check: checkWorkflow,
};
