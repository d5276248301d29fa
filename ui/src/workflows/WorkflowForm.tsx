import { useSearch } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import type { NewWorkflow, Workflow } from "../api/types";
import { type Entry, type EntryType, idOf, keyOf, type Path, pathOfKey, pointerTo } from "../graph/entry";
import { Graph } from "../graph/Graph";
import { sentence, useFaults, useMayChange } from "../kit/Field";
import { parseObject } from "../kit/json";
import { Menu } from "../kit/Menu";
import { Note, Skeleton } from "../kit/Messages";
import { useToast } from "../kit/Toasts";
import { useNarrow } from "../kit/useNarrow";
import type { Kind } from "../parts/Definition";
import type { FormProps } from "../parts/Editor";
import { connect, entryAt, insert, isMakingUp, listOf, newEntry, remove } from "./change";
import { bodyOf, contentOf, draftOf, type WorkflowDraft } from "./draft";
import { EntryPanel, TYPE_OPTIONS } from "./EntryPanel";
import { checkWorkflow } from "./queries";
import { entryOfPointer } from "./reads";
import { Settings } from "./Settings";
import { nodeAt, useEdit } from "./useEdit";
import { useNames } from "./useNames";
import s from "./Workflows.module.css";

/**
 * The editor of a workflow: its graph, and beside it what is open, an entry or the workflow itself.
 *
 * Data flow: draft → graph and panel → `change.ts` (pure) → the next draft. What is wrong comes from the server, by pointers.
 * State: the draft is the editor's, what is open stands in the URL.
 */
function WorkflowForm({ draft, setDraft, errors, isNew }: FormProps<WorkflowDraft> & { isNew: boolean }) {
  const { entry: key = "" } = useSearch({ strict: false }) as { entry?: string };
  const mayChange = useMayChange();
  const names = useNames();
  const say = useToast();
  const [form, panel] = [useRef<HTMLDivElement>(null), useRef<HTMLElement>(null)];
  const isNarrow = useNarrow();
  const { steps } = draft;
  const open = pathOfKey(key);
  const isEntry = entryAt(steps, open) !== null;
  const wrong = useWrong(steps, errors);

  // What is open stands below the list there.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another one is open
  useEffect(() => {
    if (isNarrow && isEntry) panel.current?.scrollIntoView({ block: "start" });
  }, [key, names === null]);

  const { show, change, edit } = useEdit(form, key, draft, setDraft);
  const take = (path: Path) => {
    const entry = entryAt(steps, path) ?? {};
    const [list, place] = listOf(path);
    edit(remove(steps, path), {
      open: isMakingUp(path) ? list : null,
      // What stands there now, or before it, or around it.
      focus: [path, [...list, place - 1], ...path.map((_, at) => path.slice(0, -1 - at)), [0]].map(nodeAt),
      said: `Deleted ${idOf(entry) || "an entry"}`,
      gone: { path, entry },
    });
  };
  const add = (list: Path, place: number, type: string) =>
    edit(insert(steps, list, place, newEntry(steps, type as EntryType)), { open: [...list, place] });
  const tie = (from: string, to: string) => {
    const next = connect(steps, pathOfKey(from), pathOfKey(to));
    if (typeof next === "string") say(next);
    else edit(next);
  };

  if (!names) return <Skeleton />;
  return (
    <div ref={form} className={s.editor}>
      <div className={s.board}>
        {mayChange && (
          <div className="row wrap">
            <div className={s.add}>
              <Menu
                label="Add an entry…"
                options={TYPE_OPTIONS}
                onPick={(type) => add([], steps.length, type)}
              />
            </div>
            <span className="small dim">
              at the end. Open another one to add before it, after it or into it.{" "}
              <span className="hide-n">Drag one onto another to have that wait for it.</span>
            </span>
          </div>
        )}
        <Graph
          steps={steps}
          selected={isEntry ? key : undefined}
          onSelect={(_, way) => show(pathOfKey(way))}
          problems={Object.fromEntries(wrong.flatMap((it) => (it.path ? [[keyOf(it.path), it.detail]] : [])))}
          onConnect={mayChange ? tie : undefined}
          onGap={mayChange ? (list) => add(list, 0, "mapping") : undefined}
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
            change={edit}
            remove={() => take(open)}
            onClose={() => show(null, [nodeAt(open)])}
          />
        ) : (
          <Settings {...{ draft, setDraft, errors, isNew }} change={(next, said) => change(next, { said })} />
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

/** What is wrong: what cannot be read, and what the server found. */
function useWrong(steps: readonly Entry[], errors: Record<string, string>): WrongEntry[] {
  const faults = useFaults("");
  return [...Object.entries(errors).map(([pointer, detail]) => ({ pointer, detail })), ...faults].map(
    ({ pointer, detail }) => ({
      pointer,
      detail: sentence(detail),
      path: entryOfPointer(steps, pointer),
    }),
  );
}

const MOST_SHOWN = 8;

interface WrongProps {
  wrong: readonly WrongEntry[];
  steps: readonly Entry[];
  onOpen: (path: Path | null) => void;
}

function Wrong({ wrong, steps, onOpen }: WrongProps) {
  return (
    <div className={s.wrong}>
      <Note
        look="warn"
        title={wrong.length === 1 ? "One thing is wrong" : `${wrong.length} things are wrong`}
      >
        <ul data-faults>
          {wrong.slice(0, MOST_SHOWN).map(({ pointer, detail, path }) => (
            <li key={pointer + detail}>
              <button type="button" className={s.lead} onClick={() => onOpen(path)}>
                {path ? idOf(entryAt(steps, path) ?? {}) || "without an id" : "the workflow"}
              </button>{" "}
              <code>{path ? pointer.slice(pointerTo(path).length + 1) : pointer}</code> {detail}
            </li>
          ))}
        </ul>
        {wrong.length > MOST_SHOWN && <p>and {wrong.length - MOST_SHOWN} more</p>}
      </Note>
    </div>
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
  // All: beside the fields there is the list of what is wrong.
  shown: [""],
  does: "is executed",
  check: checkWorkflow,
};
