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
import { Failure, type Fault, failureOf } from "../api/problem";
import { Button } from "../kit/Button";
import { CodeField } from "../kit/CodeField";
import { FaultsOf, focusFault, savebarClass } from "../kit/Field";
import { plural } from "../kit/format";
import { pretty } from "../kit/json";
import { Dialog, ProblemNote } from "../kit/Messages";
import { Segmented } from "../kit/Page";
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
  /** `onTop`: whatever others have saved meanwhile. */
  save: (body: B, onTop: boolean) => Promise<unknown>;
  /** Says what would be wrong with it if it were saved: asked while it is typed. */
  check?: ((body: B) => Promise<readonly Fault[]>) | undefined;
}

/** A definition as a form and as JSON: two views of one value. Whoever leaves with changes is asked once. */
export function Editor<D, B>(props: Props<D, B>) {
  const { noun, initial, bodyOf, draftOf, form, shown, promise, save, check } = props;
  const [draft, setDraft] = useState(initial);
  const [view, setView] = useState<"form" | "json">("form");
  const [json, setJson] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isSaving, setSaving] = useState(false);
  const isSaved = useRef(false);
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

  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) =>
      isChanged && !isSaved.current && (current.pathname !== next.pathname || tabOf(current) !== tabOf(next)),
    enableBeforeUnload: () => isChanged && !isSaved.current,
    withResolver: true,
  });

  const submit = async (onTop = false) => {
    if (isSaving) return;
    if ("errors" in made) return focusFault();
    setSaving(true);
    setError(null);
    try {
      isSaved.current = true;
      await save(made.body, onTop);
    } catch (problem) {
      setError(problem);
      requestAnimationFrame(() => summary.current?.focus());
    } finally {
      isSaved.current = false;
      setSaving(false);
    }
  };
  const submitting = useRef(submit);
  submitting.current = submit;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (!(event.metaKey || event.ctrlKey) || event.key !== "s") return;
      event.preventDefault();
      submitting.current();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);

  const look = (next: "form" | "json") => {
    if (next === "json") setJson("body" in made ? pretty(made.body) : jsonOf(bodyOf(draft)));
    else if ("body" in made) setDraft(draftOf(made.body));
    else return;
    setView(next);
  };
  const wrong = Object.keys(errors).length;
  const faults = found ?? (error ? failureOf(error).faults : []);
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
      {view === "form" ? (
        form({ draft, setDraft, errors })
      ) : (
        <CodeField label="Definition" rows={32} error={errors[""]} value={json} onChange={setJson} />
      )}
      <div className={savebarClass}>
        <span className="small dim grow">
          {wrong > 0
            ? `${plural(wrong, "field")} cannot be read`
            : found && found.length > 0
              ? `${plural(found.length, "thing")} would be refused`
              : isChanged
                ? promise
                : "No changes"}
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

const tabOf = (it: { search: unknown }) => (it.search as { tab?: string }).tab;

const jsonOf = (made: Made<unknown>) => ("body" in made ? pretty(made.body) : "");
