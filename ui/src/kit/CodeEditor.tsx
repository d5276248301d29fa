import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import {
  bracketMatching,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  syntaxHighlighting,
} from "@codemirror/language";
import { linter } from "@codemirror/lint";
import { Annotation, Compartment, EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useLayoutEffect, useRef } from "react";

export interface CodeEditorProps {
  id: string;
  label: string;
  language: "json" | "javascript";
  value: string;
  onChange: (value: string) => void;
  rows: number;
  readOnly?: boolean | undefined;
  /** What is wrong with it: said to those who do not see it. */
  error?: string | undefined;
}

/**
 * An editor of code, of a chunk that is loaded where one is shown. It stands in a shadow root: there its styles are
 * sheets of the script and not elements of the page, which the policy refuses.
 */
export default function CodeEditor(props: CodeEditorProps) {
  const { id, label, language, value, rows, readOnly = false, error } = props;
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const changed = useRef(props.onChange);
  changed.current = props.onChange;
  const begin = useRef({ value, language });

  // Before anything is painted: its place is never empty.
  useLayoutEffect(() => {
    const at = host.current;
    if (!at) return;
    const root = at.shadowRoot ?? at.attachShadow({ mode: "open" });
    const { value: doc, language } = begin.current;
    const made = new EditorView({
      root,
      parent: root,
      doc,
      extensions: [
        ...BASE,
        WIRING.of([]),
        LANGUAGE.of(language === "json" ? JSON_CODE : []),
        EditorView.updateListener.of((update) => {
          if (update.docChanged && !update.transactions.some((it) => it.annotation(FROM_OUTSIDE)))
            changed.current(update.state.doc.toString());
        }),
      ],
    });
    view.current = made;
    // The grammar of JavaScript is three times as large as all the rest, and most pages have none.
    if (language === "javascript")
      import("@codemirror/lang-javascript").then(({ javascript }) =>
        made.dispatch({ effects: LANGUAGE.reconfigure(javascript()) }),
      );
    return () => made.destroy();
  }, []);

  useEffect(() => {
    const attributes = {
      // It can be reached anyway; that what scrolls around it can be is seen by this.
      tabindex: "0",
      "aria-label": label,
      "aria-invalid": String(Boolean(error)),
      ...(error && { "aria-description": error }),
    };
    view.current?.dispatch({
      effects: WIRING.reconfigure([
        EditorView.contentAttributes.of(attributes),
        EditorState.readOnly.of(readOnly),
      ]),
    });
  }, [label, error, readOnly]);

  useEffect(() => {
    const shown = view.current;
    const old = shown?.state.doc.toString();
    if (!shown || old === undefined || old === value) return;
    // What is the same stays, and the cursor with it.
    const most = Math.min(old.length, value.length);
    let [from, end] = [0, 0];
    while (from < most && old[from] === value[from]) from++;
    while (end < most - from && old.at(-1 - end) === value.at(-1 - end)) end++;
    shown.dispatch({
      changes: { from, to: old.length - end, insert: value.slice(from, value.length - end) },
      annotations: FROM_OUTSIDE.of(true),
    });
  }, [value]);

  return (
    <div
      ref={host}
      id={id}
      data-editor
      data-invalid={error ? true : undefined}
      style={{ "--rows": rows } as object}
    />
  );
}

const FROM_OUTSIDE = Annotation.define<boolean>();
const WIRING = new Compartment();
const LANGUAGE = new Compartment();
const JSON_CODE: Extension = [json(), linter(emptyOr(jsonParseLinter()), { delay: 400 })];

/** A field that may be left empty is not wrong when it is. */
function emptyOr(lint: ReturnType<typeof jsonParseLinter>): typeof lint {
  return (view) => (view.state.doc.toString().trim() === "" ? [] : lint(view));
}

const LOOK = EditorView.theme({
  "&": {
    font: "400 var(--t-12)/1.65 var(--mono)",
    color: "var(--ink)",
    background: "var(--sunken)",
    border: "1px solid var(--line-control)",
    borderRadius: "var(--r-2)",
    maxHeight: "62vh",
  },
  "&:hover": { borderColor: "var(--ink-2)" },
  "&.cm-focused": {
    borderColor: "var(--focus)",
    boxShadow: "0 0 0 3px color-mix(in srgb, var(--focus) 22%, transparent)",
    outline: "2px solid transparent",
  },
  ".cm-scroller": {
    font: "inherit",
    overflow: "auto",
    minHeight: "calc(var(--rows) * 1.65 * var(--t-12) + 12px)",
  },
  ".cm-content": { padding: "6px 0", caretColor: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": {
    background: "var(--sunken)",
    color: "var(--ink-3)",
    border: "0",
    borderRadius: "var(--r-2) 0 0 var(--r-2)",
  },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "var(--live-soft)",
  },
  "&.cm-focused .cm-matchingBracket": { background: "var(--pressed)" },
  ".cm-lintRange-error": {
    background: "var(--bad-soft)",
    textDecoration: "underline wavy var(--bad) 1px",
    textUnderlineOffset: "3px",
  },
  ".cm-tooltip": {
    background: "var(--raised)",
    color: "var(--ink)",
    border: "1px solid var(--line-strong)",
    borderRadius: "var(--r-2)",
    fontFamily: "var(--font)",
  },
});

const COLOURS = HighlightStyle.define([
  { tag: [tags.propertyName], color: "var(--c-key)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--c-string)" },
  { tag: [tags.number], color: "var(--c-number)" },
  { tag: [tags.bool, tags.null, tags.keyword, tags.atom], color: "var(--c-word)" },
  { tag: [tags.comment], color: "var(--c-comment)" },
]);

/**
 * What is typed over a selection is put in by the editor. A browser would keep the look of what stood there, with a
 * style in the text, which the policy refuses aloud.
 */
const TYPED_OVER = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { state } = view;
    if (event.inputType !== "insertText" || event.data === null || event.isComposing) return false;
    if (state.readOnly || state.selection.main.empty) return false;
    event.preventDefault();
    view.dispatch(state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
    return true;
  },
});

/** Tab is left to the page: it leads on, as everywhere. */
const BASE: Extension[] = [
  lineNumbers(),
  history(),
  drawSelection(),
  indentOnInput(),
  indentUnit.of("  "),
  bracketMatching(),
  TYPED_OVER,
  EditorView.lineWrapping,
  EditorView.perLineTextDirection.of(true),
  keymap.of([...defaultKeymap, ...historyKeymap]),
  syntaxHighlighting(COLOURS),
  LOOK,
];
