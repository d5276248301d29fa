import { useBlocker } from "@tanstack/react-router";
import {
  type Dispatch,
  type ReactNode,
  type SetStateAction,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { flushSync } from "react-dom";
import { Failure, type Fault, failureOf } from "../api/problem";
import { Button } from "../kit/Button";
import { CodeField } from "../kit/CodeField";
import { FaultsOf, focusFault, MayChangeOf, savebarClass } from "../kit/Field";
import { plural } from "../kit/format";
import { pretty } from "../kit/json";
import { Dialog, FaultList, Note, ProblemNote } from "../kit/Messages";
import { Segmented } from "../kit/Page";
import { isLeaving } from "./leaving";
import { type Made, madeOf } from "./reading";
import { useCheck } from "./useCheck";

/** What a form of a definition is given. */
export interface FormProps<D> {
  draft: D;
  setDraft: Dispatch<SetStateAction<D>>;
  /** What cannot be read, by pointers. */
  errors: Record<string, string>;
}

interface Props<D, B> {
  /** What it is, in a word: `agent`. */
  noun: string;
  initial: D;
  bodyOf: (draft: D) => Made<B>;
  draftOf: (body: B) => D;
  form: (props: FormProps<D>) => ReactNode;
  /** The pointers at which fields show faults themselves. */
  shown: readonly string[];
  /** What saving will do. */
  promise: string;
  /** `onTop`: whatever others have saved meanwhile. Gives what was saved, if it is edited further. */
  save: (body: B, onTop: boolean) => Promise<D | null>;
  /** Says what would be wrong with it if it were saved: asked while it is typed. */
  check?: ((body: B) => Promise<readonly Fault[]>) | undefined;
  mayChange?: boolean;
}

/** A definition as a form and as JSON: two views of one value. Whoever leaves with changes is asked once. */
export function Editor<D, B>(props: Props<D, B>) {
  const { noun, initial, bodyOf, draftOf, form, shown, promise, save, check, mayChange = true } = props;
  const [draft, setDraft] = useState(initial);
  const [view, setView] = useState<"form" | "json">("form");
  const [json, setJson] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isSaving, setSaving] = useState(false);
  // What is being saved, or was: it is not lost when somebody leaves.
  const sent = useRef<unknown>(null);
  const summary = useRef<HTMLDivElement>(null);

  const made = useMemo(
    () => (view === "form" ? bodyOf(draft) : madeOf<B>(json)),
    [view, draft, json, bodyOf],
  );
  const errors = "errors" in made ? made.errors : {};
  const isChanged =
    view === "form"
      ? draft !== initial && pretty(draft) !== pretty(initial)
      : json !== jsonOf(bodyOf(initial));

  const found = useCheck(isChanged && "body" in made ? made.body : null, check);

  const typed = view === "form" ? draft : json;
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => isChanged && sent.current !== typed && isLeaving(current, next),
    enableBeforeUnload: () => isChanged && sent.current !== typed,
    withResolver: true,
  });

  const submit = async (onTop = false) => {
    if (isSaving || !mayChange) return;
    if ("errors" in made) return focusFault();
    setSaving(true);
    setError(null);
    sent.current = typed;
    try {
      const fresh = await save(made.body, onTop);
      // What was typed meanwhile stays.
      if (fresh) {
        setDraft((now) => (now === draft && pretty(now) !== pretty(fresh) ? fresh : now));
        setJson((now) => (now === json ? jsonOf(bodyOf(fresh)) : now));
      }
    } catch (problem) {
      setError(problem);
      requestAnimationFrame(() => summary.current?.focus());
    } finally {
      sent.current = null;
      setSaving(false);
    }
  };
  const submitting = useRef(submit);
  submitting.current = submit;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (!(event.metaKey || event.ctrlKey) || event.key !== "s") return;
      event.preventDefault();
      const field = document.activeElement;
      // Some fields take what was typed when they are left.
      if (field instanceof HTMLInputElement) {
        flushSync(() => field.blur());
        field.focus();
      }
      submitting.current();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);

  const look = (next: "form" | "json") => {
    if (next === view) return;
    if ("errors" in made) return focusFault();
    if (next === "json") setJson(pretty(made.body));
    else setDraft(draftOf(made.body));
    setView(next);
  };
  const wrong = Object.keys(errors).length;
  const faults = found ?? (error ? failureOf(error).faults : []);
  const refused = found?.length ? `${plural(found.length, "thing")} would be refused` : null;
  return (
    <FaultsOf value={faults}>
      <Segmented
        label="Edit as"
        value={view}
        options={[
          ["form", "Form"],
          ["json", "JSON"],
        ]}
        onChange={look}
      />
      <div ref={summary} tabIndex={-1} hidden={error === null}>
        {error !== null && <ProblemNote error={error} known={view === "form" ? shown : []} />}
        {error instanceof Failure && error.status === 412 && (
          <p className="row" style={{ paddingTop: 8 }}>
            <span className="sub">
              Somebody saved this {noun} while you were at it. What you typed is kept.
            </span>
            <Button onClick={() => submit(true)}>Put mine on top</Button>
          </p>
        )}
      </div>
      {view === "json" && found && refused && error === null && (
        <Note look="warn" title={refused}>
          <FaultList faults={found} />
        </Note>
      )}
      <MayChangeOf value={mayChange}>
        {view === "form" ? (
          form({ draft, setDraft, errors })
        ) : (
          <CodeField label="Definition" rows={32} error={errors[""]} value={json} onChange={setJson} />
        )}
      </MayChangeOf>
      {mayChange && (
        <div className={savebarClass}>
          <span className="small dim grow" role="status">
            {wrong > 0
              ? `${plural(wrong, "field")} cannot be read`
              : (refused ?? (isChanged ? promise : "No changes"))}
          </span>
          <Button
            disabled={!isChanged || isSaving}
            onClick={() => {
              setDraft(initial);
              setJson(jsonOf(bodyOf(initial)));
              setError(null);
            }}
          >
            Discard
          </Button>
          <Button look="primary" busy={isSaving && "Saving…"} onClick={() => submit()}>
            Save {noun} <kbd>⌘S</kbd>
          </Button>
        </div>
      )}
      {blocker.status === "blocked" && (
        <Dialog
          title="Leave without saving?"
          onClose={blocker.reset}
          onSubmit={blocker.proceed}
          footer={
            <>
              <Button onClick={blocker.reset}>Stay here</Button>
              <Button type="submit" look="destroy">
                Leave, and lose the changes
              </Button>
            </>
          }
        >
          <p className="sub">This {noun} has changes that are not saved.</p>
        </Dialog>
      )}
    </FaultsOf>
  );
}

const jsonOf = (made: Made<unknown>) => ("body" in made ? pretty(made.body) : "");
