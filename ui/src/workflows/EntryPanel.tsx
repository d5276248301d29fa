import { useId, useRef } from "react";
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
import { ExactFaults, SelectField, selectClass, TextField, twoClass } from "../kit/Field";
import { KindMark } from "../kit/Marks";
import { CommonFields } from "./CommonFields";
import {
  at,
  entryAt,
  insert,
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
import { KindFields, type Wire } from "./KindFields";
import { readsAt } from "./reads";
import type { Names } from "./useNames";
import s from "./Workflows.module.css";

interface Props {
  steps: readonly Entry[];
  path: Path;
  inputSchema: unknown;
  names: Names;
  /** Other steps; and which entry is open then. */
  change: (steps: readonly Entry[], open?: Path | null) => void;
  /** Takes the entry away. */
  remove: () => void;
  onClose: () => void;
}

/** The entry that is open: all that it says, and where it stands. */
export function EntryPanel({ steps, path, inputSchema, names, change, remove, onClose }: Props) {
  const reads = useId();
  const before = useRef("");
  const entry = entryAt(steps, path);
  if (!entry) return null;
  const pointer = pointerTo(path);
  const makesUp = isMakingUp(path);
  const type = typeOf(entry);
  const put1 = (name: string, value: unknown) => change(put(steps, [...path, name], value));
  const wire: Wire = (name) => ({
    pointer: pointerOf(pointer, name),
    value: entry[name],
    onChange: (value) => put1(name, value),
  });
  const types = makesUp ? (["agent", "tool", "workflow", "step", "script"] as const) : TYPES;
  const isKnown = types.some((it) => it === type);
  return (
    <ReadsList.Provider value={reads}>
      <header className={s.panelHead}>
        <KindMark kind={markOf(type)} />
        <h2 className="cut">
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
      <div className={s.entryForm}>
        <div className={twoClass}>
          {/* biome-ignore lint/a11y/noStaticElementInteractions: the field within is what is focused */}
          <div
            onFocus={() => {
              before.current = idOf(entry);
            }}
            onBlur={() => {
              const named = rename(steps, before.current, idOf(entry));
              if (before.current !== idOf(entry) && named !== steps) change(named);
            }}
          >
            <TextField
              label="Id"
              mono
              required
              pointer={pointerOf(pointer, "id")}
              value={idOf(entry)}
              onChange={(id) => put1("id", id)}
            />
          </div>
          <SelectField
            label="Type"
            pointer={pointerOf(pointer, "type")}
            options={(isKnown ? types : [type, ...types]).map((it) => [it, it] as const)}
            value={type}
            onChange={(it) => change(put(steps, path, retyped(steps, entry, it as EntryType)))}
          />
        </div>
        <KindFields
          entry={entry}
          pointer={pointer}
          change={(next) => change(put(steps, path, next))}
          wire={wire}
          names={names}
        />
        <CommonFields {...{ entry, steps, path, wire, makesUp }} change={(it) => change(it)} />
      </div>
      {makesUp ? (
        <div>
          <Button small look="danger" icon="trash-2" onClick={remove}>
            Delete entry
          </Button>
        </div>
      ) : (
        <Placing {...{ steps, path, entry, change, remove }} />
      )}
    </ReadsList.Provider>
  );
}

/** What is beside it, and where it goes. */
function Placing(props: Pick<Props, "steps" | "path" | "change" | "remove"> & { entry: Entry }) {
  const { steps, path, entry, change, remove } = props;
  const [list, place] = listOf(path);
  const count = entriesOf(at(steps, list)).length;
  const add = (to: Path, where: number) => (type: string) =>
    change(insert(steps, to, where, newEntry(steps, type as EntryType)), [...to, where]);
  const parts = partsOf(entry) ?? [];
  const own = keyOf(path);
  const others = listsOf(steps).filter(
    (it) => keyOf(it.path) !== keyOf(list) && !`${keyOf(it.path)}/`.startsWith(`${own}/`),
  );
  return (
    <section className={s.placing} aria-label="Where it stands">
      <div className={s.adds}>
        <Menu label="Add before…" options={TYPE_OPTIONS} onPick={add(list, place)} />
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
              if (moved) change(moved.steps, moved.path);
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
          onClick={() => change(shift(steps, path, -1), [...list, place - 1])}
        />
        <Button
          small
          icon="arrow-down"
          aria-label="Move down"
          disabled={place === count - 1}
          onClick={() => change(shift(steps, path, 1), [...list, place + 1])}
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

export const TYPE_OPTIONS = TYPES.map(
  (it) => [it, it === "step" ? "step of the program" : it.replaceAll("_", " ")] as const,
);

interface MenuProps {
  label: string;
  options: readonly (readonly [value: string, label: string])[];
  onPick: (value: string) => void;
}

/** A verb that needs one word more: the browser's own list of them. */
export const Menu = ({ label, options, onPick }: MenuProps) => (
  <select
    className={selectClass}
    aria-label={label}
    value=""
    onChange={(event) => onPick(event.target.value)}
  >
    <option value="" disabled>
      {label}
    </option>
    {options.map(([value, text]) => (
      <option key={value} value={value}>
        {text}
      </option>
    ))}
  </select>
);
