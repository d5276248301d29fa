import { type ReactNode, useId, useRef } from "react";
import {
  type Entry,
  type EntryType,
  entriesOf,
  idOf,
  keyOf,
  type Path,
  partsOf,
  pointerOf,
  pointerTo,
  TYPES,
  typeOf,
} from "../graph/entry";
import { markOf, whatOf } from "../graph/words";
import { Button } from "../kit/Button";
import { ExactFaults, Field, Fields, TextField, twoClass, useMayChange } from "../kit/Field";
import { KindMark } from "../kit/Marks";
import { Menu } from "../kit/Menu";
import { CommonFields } from "./CommonFields";
import {
  at,
  entryAt,
  insert,
  insertBefore,
  isMakingUp,
  listOf,
  listsOf,
  move,
  newEntry,
  put,
  rename,
  retyped,
  shift,
} from "./change";
import { ReadsList } from "./fields";
import { KindFields, type KindProps, type Wire } from "./KindFields";
import { readsAt } from "./reads";
import type { Edit } from "./useEdit";
import type { Names } from "./useNames";
import s from "./Workflows.module.css";

interface Props {
  steps: readonly Entry[];
  path: Path;
  inputSchema: unknown;
  names: Names;
  change: Edit;
  /** Takes the entry away. */
  remove: () => void;
  onClose: () => void;
}

/** The entry that is open: all that it says, and where it stands. */
export function EntryPanel({ steps, path, inputSchema, names, change, remove, onClose }: Props) {
  const reads = useId();
  const mayChange = useMayChange();
  const entry = entryAt(steps, path);
  if (!entry) return null;
  const pointer = pointerTo(path);
  const makesUp = isMakingUp(path);
  const type = typeOf(entry);
  const wire: Wire = (name) => ({
    pointer: pointerOf(pointer, name),
    value: entry[name],
    onChange: (value, said) => change(put(steps, [...path, name], value), { said }),
  });
  const changeEntry: KindProps["change"] = (next, said) => change(put(steps, path, next), { said });
  const types = makesUp ? (["agent", "tool", "workflow", "step", "script"] as const) : TYPES;
  return (
    <ReadsList.Provider value={reads}>
      <header className={s.panelHead}>
        <KindMark kind={markOf(type)} />
        <h2 className="cut" tabIndex={-1}>
          <bdi>{idOf(entry) || "without an id"}</bdi>
        </h2>
        <Button small look="quiet" icon="x" aria-label="Close the entry" onClick={onClose} />
      </header>
      <datalist id={reads}>
        {readsAt(steps, path, inputSchema).map((it) => (
          <option key={it} value={it} />
        ))}
      </datalist>
      <ExactFaults pointer={pointer} />
      <Fields className={s.entryForm}>
        <div className={twoClass}>
          <Named steps={steps} id={idOf(entry)} change={change}>
            <TextField label="Id" mono required {...wire("id")} value={idOf(entry)} />
          </Named>
          <Field label="Type" pointer={pointerOf(pointer, "type")}>
            {({ "aria-invalid": _, ...wiring }) => (
              <Menu
                {...wiring}
                label={wordsOf(type)}
                name={`Type: ${wordsOf(type)}`}
                options={types.map((it) => [it, wordsOf(it)] as const)}
                onPick={(it) => {
                  if (it !== type)
                    changeEntry(
                      retyped(steps, entry, it as EntryType),
                      `${idOf(entry) || "It"} is of type ${wordsOf(it)} now`,
                    );
                }}
              />
            )}
          </Field>
        </div>
        <KindFields {...{ entry, pointer, wire, names }} change={changeEntry} />
        <CommonFields {...{ entry, steps, path, wire, makesUp, change }} />
      </Fields>
      {mayChange && makesUp && (
        <div>
          <Button small look="danger" icon="trash-2" onClick={remove}>
            Delete entry
          </Button>
        </div>
      )}
      {mayChange && !makesUp && <Placing {...{ steps, path, entry, change, remove }} />}
    </ReadsList.Provider>
  );
}

interface NamedProps {
  steps: readonly Entry[];
  id: string;
  change: Edit;
  children: ReactNode;
}

/** The field of an id. As soon as it is left with one that no other entry has, what named the entry names it so. */
function Named({ steps, id, change, children }: NamedProps) {
  // By which id it is named, and with which one the field was left.
  const now = useRef({ by: id, left: id });
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the field within is what is focused
    <div
      onFocus={() => {
        if (now.current.left !== id) now.current = { by: id, left: id };
      }}
      onBlur={() => {
        const named = rename(steps, now.current.by, id);
        now.current.left = id;
        if (named === steps) return;
        now.current.by = id;
        change(named);
      }}
    >
      {children}
    </div>
  );
}

/** What is beside it, and where it goes. */
function Placing(props: Pick<Props, "steps" | "path" | "change" | "remove"> & { entry: Entry }) {
  const { steps, path, entry, change, remove } = props;
  const [list, place] = listOf(path);
  const count = entriesOf(at(steps, list)).length;
  const add =
    (to: Path, where: number, put = insert) =>
    (type: string) =>
      change(put(steps, to, where, newEntry(steps, type as EntryType)), { open: [...to, where] });
  const go = (by: -1 | 1, verb: string) =>
    change(shift(steps, path, by), {
      open: [...list, place + by],
      focus: [`[aria-label="${verb}"]:enabled`, '[aria-label^="Move "]:enabled'],
    });
  const parts = partsOf(entry) ?? [];
  const own = keyOf(path);
  const others = listsOf(steps).filter(
    (it) => keyOf(it.path) !== keyOf(list) && !`${keyOf(it.path)}/`.startsWith(`${own}/`),
  );
  return (
    <section className={s.placing} aria-label="Where it stands">
      <div className={s.adds}>
        <Menu label="Add before…" options={TYPE_OPTIONS} onPick={add(list, place, insertBefore)} />
        <Menu label="Add after…" options={TYPE_OPTIONS} onPick={add(list, place + 1)} />
        {parts.map((part) => (
          <Menu
            key={keyOf(part.path)}
            label={`Add into ${part.name || "its turns"}…`}
            options={TYPE_OPTIONS}
            onPick={add([...path, ...part.path], part.entries.length)}
          />
        ))}
        {others.length > 0 && (
          <Menu
            label="Move into…"
            options={others.map((it) => [keyOf(it.path), placeWords(it)] as const)}
            onPick={(key) => {
              const to = others.find((it) => keyOf(it.path) === key);
              const moved = to && move(steps, path, to.path);
              if (moved) change(moved.steps, { open: moved.path });
            }}
          />
        )}
      </div>
      <div className="row wrap">
        <Button
          small
          icon="arrow-up"
          aria-label="Move up"
          disabled={place === 0}
          onClick={() => go(-1, "Move up")}
        />
        <Button
          small
          icon="arrow-down"
          aria-label="Move down"
          disabled={place === count - 1}
          onClick={() => go(1, "Move down")}
        />
        <span className="grow small dim cut" dir="auto">
          {whatOf(entry)}
        </span>
        <Button small look="danger" icon="trash-2" onClick={remove}>
          Delete entry
        </Button>
      </div>
    </section>
  );
}

const placeWords = ({ id, part }: { id: string; part: string }) =>
  id === "" ? "the workflow itself" : part ? `${id}: ${part}` : id;

/** A type, in words. */
const wordsOf = (type: string) => (type === "step" ? "step of the program" : type.replaceAll("_", " "));

export const TYPE_OPTIONS = TYPES.map((it) => [it, wordsOf(it)] as const);
