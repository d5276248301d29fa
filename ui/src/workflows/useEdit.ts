import { useNavigate } from "@tanstack/react-router";
import { type Dispatch, type RefObject, type SetStateAction, useEffect, useRef } from "react";
import { type Entry, keyOf, type Path } from "../graph/entry";
import { useToast } from "../kit/Toasts";
import type { WorkflowDraft } from "./draft";
import { putBack, takenBack } from "./undo";

/** What goes with a change of the steps. */
export interface Then {
  /** The entry that is open afterwards; `null`: none. */
  open?: Path | null;
  /** What leads to what has the focus then; the first that is there is taken. */
  focus?: readonly string[];
  /** What is said of it, with a way back: it takes away what somebody made. */
  said?: string | undefined;
  /** What was deleted, and where it stood. */
  gone?: { path: Path; entry: Entry };
}
export type Edit = (steps: readonly Entry[], then?: Then) => void;

/** What leads to the node of an entry, and to the title of what is open. */
export const nodeAt = (path: Path) => `[data-way="${CSS.escape(keyOf(path))}"]`;
const TITLE = "aside h2";

/** How a draft is changed: what is open then, what has the focus, and how it is undone. `key`: what is open now. */
export function useEdit(
  form: RefObject<HTMLElement | null>,
  key: string,
  draft: WorkflowDraft,
  setDraft: Dispatch<SetStateAction<WorkflowDraft>>,
) {
  const navigate = useNavigate();
  const say = useToast();
  const now = useRef(draft);
  now.current = draft;
  const isShown = useRef(false);
  useEffect(() => {
    isShown.current = true;
    return () => {
      isShown.current = false;
    };
  }, []);
  const wish = useRef<{ key: string; focus: readonly string[] } | null>(null);
  useEffect(() => {
    if (wish.current?.key !== key) return;
    const found = wish.current.focus.map((it) => form.current?.querySelector<HTMLElement>(it));
    wish.current = null;
    found.find(Boolean)?.focus();
  });

  const show = (path: Path | null, focus: readonly string[] = []) => {
    const next = path ? keyOf(path) : "";
    wish.current = { key: next, focus };
    navigate({
      to: ".",
      search: ((before: object) => ({ ...before, entry: next || undefined })) as never,
      replace: true,
      resetScroll: false,
    });
  };
  const change = (next: WorkflowDraft, { open, focus = [TITLE], said, gone }: Then = {}) => {
    const before = now.current;
    now.current = next;
    setDraft(next);
    if (open !== undefined) show(open, focus);
    if (said === undefined) return;
    say(said, () => {
      const current = now.current;
      const steps = gone ? putBack(current.steps, gone.path, gone.entry) : null;
      const again = takenBack(current, before, next) ?? (steps && { ...current, steps });
      if (!again || !isShown.current) return say("It has been changed or closed since: nothing is put back");
      setDraft(again);
      if (gone) show(gone.path, [TITLE]);
    });
  };
  const edit: Edit = (steps, then) => change({ ...now.current, steps }, then);
  return { show, change, edit };
}
