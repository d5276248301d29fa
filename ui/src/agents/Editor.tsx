import { useBlocker } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";
import { Failure, failureOf } from "../api/problem";
import type { NewAgent } from "../api/types";
import { Button } from "../kit/Button";
import { FaultsOf, savebarClass, TextArea } from "../kit/Field";
import { plural } from "../kit/format";
import { parseJson, pretty } from "../kit/json";
import { Dialog, ProblemNote } from "../kit/Messages";
import { Segmented } from "../kit/Page";
import { AgentForm, SHOWN_POINTERS } from "./AgentForm";
import { bodyOf, type Draft, draftOf } from "./draft";

interface Props {
  initial: Draft;
  isNew: boolean;
  /** What saving will do. */
  promise: string;
  /** `onTop`: whatever others have saved meanwhile. */
  save: (body: NewAgent, onTop: boolean) => Promise<unknown>;
}

/** An agent as a form and as JSON: two views of one value. Whoever leaves with changes is asked once. */
export function Editor({ initial, isNew, promise, save }: Props) {
  const [draft, setDraft] = useState(initial);
  const [view, setView] = useState<"form" | "json">("form");
  const [json, setJson] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isSaving, setSaving] = useState(false);
  const isSaved = useRef(false);
  const summary = useRef<HTMLDivElement>(null);

  const made = useMemo(() => (view === "form" ? bodyOf(draft) : fromJson(json)), [view, draft, json]);
  const errors = "errors" in made ? made.errors : {};
  const isChanged =
    view === "form" ? draft !== initial && pretty(draft) !== pretty(initial) : json !== jsonOf(initial);

  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) =>
      isChanged && !isSaved.current && (current.pathname !== next.pathname || tabOf(current) !== tabOf(next)),
    enableBeforeUnload: () => isChanged && !isSaved.current,
    withResolver: true,
  });

  const submit = async (onTop = false) => {
    if (isSaving) return;
    if ("errors" in made) return document.querySelector<HTMLElement>("main [aria-invalid=true]")?.focus();
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
    if (next === "json") setJson("body" in made ? pretty(made.body) : jsonOf(draft));
    else if ("body" in made) setDraft(draftOf(made.body));
    else return;
    setView(next);
  };
  const wrong = Object.keys(errors).length;
  return (
    <FaultsOf value={error ? failureOf(error).faults : []}>
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
        {error !== null && <ProblemNote error={error} known={view === "form" ? SHOWN_POINTERS : []} />}
        {error instanceof Failure && error.status === 412 && (
          <p className="row" style={{ paddingTop: 8 }}>
            <span className="sub">
              Somebody saved this agent while you were at it. What you typed is kept.
            </span>
            <Button onClick={() => submit(true)}>Put mine on top</Button>
          </p>
        )}
      </div>
      {view === "form" ? (
        <AgentForm draft={draft} setDraft={setDraft} errors={errors} isNew={isNew} />
      ) : (
        <TextArea label="Definition" mono rows={32} error={errors[""]} value={json} onChange={setJson} />
      )}
      <div className={savebarClass}>
        <span className="small dim grow">
          {wrong > 0 ? `${plural(wrong, "field")} cannot be read` : isChanged ? promise : "No changes"}
        </span>
        <Button
          disabled={!isChanged || isSaving}
          onClick={() => {
            setDraft(initial);
            setJson(jsonOf(initial));
            setError(null);
          }}
        >
          Discard
        </Button>
        <Button look="primary" busy={isSaving && "Saving…"} onClick={() => submit()}>
          Save agent <kbd>⌘S</kbd>
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
          <p className="sub">This agent has changes that are not saved.</p>
        </Dialog>
      )}
    </FaultsOf>
  );
}

const tabOf = (it: { search: unknown }) => (it.search as { tab?: string }).tab;

function jsonOf(draft: Draft): string {
  const made = bodyOf(draft);
  return "body" in made ? pretty(made.body) : "";
}

function fromJson(text: string): ReturnType<typeof bodyOf> {
  const parsed = parseJson(text);
  if ("error" in parsed)
    return { errors: { "": parsed.line ? `Line ${parsed.line}: ${parsed.error}` : parsed.error } };
  if (typeof parsed.value !== "object" || parsed.value === null)
    return { errors: { "": "It must be a JSON object." } };
  return { body: parsed.value as NewAgent };
}
