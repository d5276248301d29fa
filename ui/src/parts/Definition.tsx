import { useQueryClient } from "@tanstack/react-query";
import { type ComponentType, useState } from "react";
import type { Fault } from "../api/problem";
import { Body } from "../kit/Page";
import { useToast } from "../kit/Toasts";
import { NotYours } from "./DefinitionState";
import { Editor, type FormProps } from "./Editor";
import type { Made } from "./reading";

/** How definitions of a kind are edited. */
export interface Kind<T, D, B> {
  /** What it is, in a word: `agent`. */
  noun: string;
  /** What queries of the kind begin with. */
  key: string;
  contentOf: (it: T) => B;
  draftOf: (body: B) => D;
  bodyOf: (draft: D) => Made<B>;
  Form: ComponentType<FormProps<D> & { isNew: boolean }>;
  /** The pointers at which fields show faults themselves. */
  shown: readonly string[];
  /** What a version that was saved does: `answers`. */
  does: string;
  /** Says what would be wrong with it if it were saved: asked while it is typed. */
  check?: (body: B) => Promise<readonly Fault[]>;
}

interface Definition {
  id: string;
  version?: number | null;
  source: string;
}

interface ChangeProps<T, D, B> {
  kind: Kind<T, D, B>;
  current: T;
  mayChange: boolean;
  /** Changes it, unless somebody else did since `version`; without one, whatever others did. */
  change: (id: string, version: number | null, body: B) => Promise<T>;
  /** Where what was read is kept. */
  queryKey: readonly string[];
}

/** A definition that is there, to be changed. */
export function ChangeDefinition<T extends Definition, D, B>(props: ChangeProps<T, D, B>) {
  const { kind, current, mayChange, change, queryKey } = props;
  const queries = useQueryClient();
  const say = useToast();
  // What was read when somebody began to type: what others save meanwhile must not take it from under his hands.
  const baseOf = (it: T) => ({ version: it.version ?? null, initial: kind.draftOf(kind.contentOf(it)) });
  const [base, setBase] = useState(() => baseOf(current));
  const save = async (body: B, onTop: boolean) => {
    const changed = await change(current.id, onTop ? null : base.version, body);
    const next = baseOf(changed);
    setBase(next);
    queries.setQueryData(queryKey, changed);
    queries.invalidateQueries({ queryKey: [kind.key] });
    say(
      changed.version === base.version
        ? "Nothing of its content changed: there is no new version"
        : `Version ${changed.version} ${kind.does} from now on`,
    );
    return next.initial;
  };
  return (
    <Body>
      {!mayChange && <NotYours noun={kind.noun} source={current.source} />}
      <Editor
        noun={kind.noun}
        initial={base.initial}
        bodyOf={kind.bodyOf}
        draftOf={kind.draftOf}
        form={(it) => <kind.Form {...it} isNew={false} />}
        shown={kind.shown}
        promise={`Makes a new version, which ${kind.does} at once`}
        save={save}
        check={kind.check}
        mayChange={mayChange}
      />
    </Body>
  );
}

interface MakeProps<T, D, B> {
  kind: Kind<T, D, B>;
  initial: D;
  create: (body: B) => Promise<T>;
  said: (made: T) => string;
  /** Leads to what was made. */
  open: (made: T) => Promise<void>;
}

/** A definition that is to be. */
export function MakeDefinition<T, D, B>({ kind, initial, create, said, open }: MakeProps<T, D, B>) {
  const queries = useQueryClient();
  const say = useToast();
  const save = async (body: B) => {
    const made = await create(body);
    queries.invalidateQueries({ queryKey: [kind.key] });
    say(said(made));
    await open(made);
    return null;
  };
  return (
    <Editor
      noun={kind.noun}
      initial={initial}
      bodyOf={kind.bodyOf}
      draftOf={kind.draftOf}
      form={(it) => <kind.Form {...it} isNew />}
      shown={kind.shown}
      promise={`Makes version 1, which ${kind.does} at once`}
      save={save}
      check={kind.check}
    />
  );
}
