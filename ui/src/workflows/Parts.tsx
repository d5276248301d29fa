import { useState } from "react";
import { entriesOf, isObject, pointerOf } from "../graph/entry";
import { Button } from "../kit/Button";
import { Check, ExactFaults, inputClass } from "../kit/Field";
import { plural } from "../kit/format";
import type { KindProps } from "./KindFields";
import { PredicateField } from "./PredicateField";
import { NEW_RULE } from "./predicate";
import s from "./Workflows.module.css";

/** The branches of what is done at once. */
export function Branches({ entry, pointer, change }: KindProps) {
  const branches = isObject(entry.branches) ? entry.branches : {};
  const names = Object.keys(branches);
  const put = (next: Record<string, unknown>, said?: string) => change({ ...entry, branches: next }, said);
  const free = () => {
    let n = names.length + 1;
    while (`branch_${n}` in branches) n++;
    return `branch_${n}`;
  };
  return (
    <>
      <fieldset className={s.members}>
        <legend>Branches</legend>
        <ExactFaults pointer={pointerOf(pointer, "branches")} />
        {names.map((name, place) => (
          <Branch
            key={place}
            name={name}
            count={entriesOf(branches[name]).length}
            taken={names}
            onRename={(to) =>
              put(
                Object.fromEntries(
                  Object.entries(branches).map(([it, list]) => [it === name ? to : it, list]),
                ),
              )
            }
            onRemove={() => {
              const { [name]: _, ...others } = branches;
              put(others, `Removed branch ${name}`);
            }}
          />
        ))}
        <div>
          <Button small icon="plus" onClick={() => put({ ...branches, [free()]: [] })}>
            Add a branch
          </Button>
        </div>
      </fieldset>
      <Check
        label="The first failure ends all"
        checked={entry.fail_fast !== false}
        onChange={(it) => {
          const { fail_fast: _, ...others } = entry;
          change(it ? others : { ...others, fail_fast: false });
        }}
      />
    </>
  );
}

interface BranchProps {
  name: string;
  count: number;
  taken: readonly string[];
  onRename: (to: string) => void;
  onRemove: () => void;
}

function Branch({ name, count, taken, onRename, onRemove }: BranchProps) {
  const [typed, setTyped] = useState({ text: name, name });
  const text = typed.name === name ? typed.text : name;
  const rename = () => {
    if (text !== name && text !== "" && !taken.includes(text)) onRename(text);
    else setTyped({ text: name, name });
  };
  return (
    <div className="row">
      <input
        className={inputClass}
        aria-label={`Name of branch ${name}`}
        value={text}
        onChange={(event) => setTyped({ text: event.target.value, name })}
        onBlur={rename}
      />
      <span className="small dim nowrap">{plural(count, "entry", "entries")}</span>
      <Button small look="quiet" icon="x" aria-label={`Remove branch ${name}`} onClick={onRemove} />
    </div>
  );
}

/** The cases of what is decided, in the order in which they are looked at. */
export function Cases({ entry, pointer, change }: KindProps) {
  const cases = Array.isArray(entry.cases) ? entry.cases : [];
  const at = pointerOf(pointer, "cases");
  const put = (next: readonly unknown[], said?: string) => change({ ...entry, cases: next }, said);
  return (
    <fieldset className={s.members}>
      <legend>Cases</legend>
      <p className="small dim">The first that holds is taken, and what is otherwise if none does.</p>
      <ExactFaults pointer={at} />
      {cases.map((it, place) => {
        const own = isObject(it) ? it : {};
        return (
          <div key={place} className={s.member}>
            <PredicateField
              label={`Case ${place + 1}, with ${plural(entriesOf(own.then).length, "entry", "entries")}`}
              pointer={pointerOf(pointerOf(at, place), "when")}
              value={own.when}
              onChange={(when, said) => put(cases.with(place, { ...own, when }), said)}
            />
            <span className={s.verbs}>
              <Button
                small
                look="quiet"
                icon="arrow-up"
                aria-label={`Look at case ${place + 1} earlier`}
                disabled={place === 0}
                onClick={() => put(cases.with(place, cases[place - 1]).with(place - 1, it))}
              />
              <Button
                small
                look="quiet"
                icon="x"
                aria-label={`Remove case ${place + 1}`}
                onClick={() => put(cases.toSpliced(place, 1), `Removed case ${place + 1}`)}
              />
            </span>
          </div>
        );
      })}
      <div>
        <Button small icon="plus" onClick={() => put([...cases, { when: NEW_RULE, then: [] }])}>
          Add a case
        </Button>
      </div>
    </fieldset>
  );
}
