import {
  afterOf,
  type Entry,
  entriesOf,
  idOf,
  isGraph,
  isObject,
  type Path,
  textOf,
  typeOf,
} from "../graph/entry";
import { Check, SelectField, twoClass } from "../kit/Field";
import { Segmented } from "../kit/Page";
import { PickField } from "../kit/PickField";
import { at, freeId, listOf, put, toGraph, toSequence } from "./change";
import { NumberField, SecondsField } from "./fields";
import type { Wire } from "./KindFields";
import type { Edit } from "./useEdit";
import { ValueField } from "./ValueField";

/** What calls something: it can be repeated, and made up for. */
const CALLS = ["agent", "tool", "workflow", "step", "script"];
const TAKES_INPUT = [...CALLS, "parallel", "conditional", "loop", "approval"];
const TAKES_NO_TIME = ["mapping", "sleep", "sleep_until", "fail", "approval"];
const NAMES_ITS_INPUT = ["agent", "tool", "workflow", "step"];

const KINDS = ["provider", "provider_timeout", "timeout", "tool", "output", "guardrail", "internal"];

interface Props {
  entry: Entry;
  steps: readonly Entry[];
  path: Path;
  wire: Wire;
  makesUp: boolean;
  change: Edit;
}

/** What entries of several types have: when they begin, what they are given, and what is done if they fail. */
export function CommonFields({ entry, steps, path, wire, makesUp, change }: Props) {
  const type = typeOf(entry);
  const onError = wire("on_error");
  const retry = wire("retry");
  const rule = isObject(retry.value) ? retry.value : null;
  const inRetry = (name: string) => ({
    pointer: `${retry.pointer}/${name}`,
    value: rule?.[name],
    onChange: (value: unknown) => {
      const { [name]: _, ...others } = rule ?? {};
      const next = value === undefined ? others : { ...others, [name]: value };
      retry.onChange(Object.keys(next).length > 0 ? next : undefined);
    },
  });
  return (
    <>
      {TAKES_INPUT.includes(type) && !NAMES_ITS_INPUT.includes(type) && (
        <ValueField label="Input" optional hint="What came before, if nothing is said." {...wire("input")} />
      )}
      {!makesUp && <Order {...{ entry, steps, path, wire, change }} />}
      {type !== "fail" && (
        <div className={twoClass}>
          <SelectField
            label="If it fails"
            pointer={onError.pointer}
            options={[
              ["fail", "the run fails"],
              ["continue", "the list goes on"],
            ]}
            value={textOf(entry.on_error) || "fail"}
            onChange={(it) => onError.onChange(it === "fail" ? undefined : it)}
          />
          {!TAKES_NO_TIME.includes(type) && (
            <SecondsField label="Seconds at most" optional {...wire("timeout_ms")} />
          )}
        </div>
      )}
      {CALLS.includes(type) && (
        <>
          <div className={twoClass}>
            <NumberField label="Begun again" optional hint="times, after a failure" {...inRetry("max")} />
            <NumberField label="Pause in ms" optional hint="500 if not said" {...inRetry("backoff_ms")} />
          </div>
          {rule && (
            <div className={twoClass}>
              <NumberField
                label="Longer by"
                optional
                isWhole={false}
                hint="times each; 2 if not said"
                {...inRetry("factor")}
              />
              <PickField
                label="After errors of kind"
                optional
                hint="any if none is said"
                pointer={`${retry.pointer}/on`}
                options={KINDS}
                value={Array.isArray(rule.on) ? rule.on.map(String) : []}
                onChange={(on) => inRetry("on").onChange(on.length > 0 ? on : undefined)}
              />
            </div>
          )}
          {!makesUp && (
            <Check
              label="If the run fails, something makes up for it"
              checked={entry.compensate !== undefined}
              onChange={(it) => {
                const undo = { id: freeId(steps, `undo_${idOf(entry)}`), type: "tool", tool: "" };
                const said = `Nothing makes up for ${idOf(entry)} now`;
                change(put(steps, [...path, "compensate"], it ? undo : undefined), it ? {} : { said });
              }}
            />
          )}
        </>
      )}
    </>
  );
}

/** When it begins: after the one before it, or after those that it names. */
function Order({ entry, steps, path, wire, change }: Omit<Props, "makesUp">) {
  const [list, place] = listOf(path);
  const entries = entriesOf(at(steps, list));
  if (entries.length < 2) return null;
  const others = entries.map(idOf).filter((it) => it !== "" && it !== idOf(entry));
  const isOwn = isGraph(entries);
  const before = entries[place - 1];
  const inSequence = (next: readonly Entry[]) => {
    const now = entriesOf(at(next, list)).findIndex((it) => it.id === entry.id);
    change(next, { open: [...list, Math.max(now, 0)], said: "The list goes on one by one" });
  };
  return (
    <>
      <div className="row wrap">
        <span className="strong">This list goes on</span>
        <Segmented
          label="This list goes on"
          value={isOwn ? "graph" : "sequence"}
          options={[
            ["sequence", "one by one"],
            ["graph", "as a graph"],
          ]}
          onChange={(it) => {
            if ((it === "graph") === isOwn) return;
            if (isOwn) inSequence(toSequence(steps, list));
            else change(toGraph(steps, list));
          }}
        />
      </div>
      <PickField
        label="Begins after"
        optional
        hint={isOwn ? "At once, if none is said." : "The one before it; with others the list is a graph."}
        pointer={wire("depends_on").pointer}
        options={others}
        value={isOwn ? (afterOf(entry) ?? []) : before ? [idOf(before)] : []}
        onChange={(ids) => change(put(isOwn ? steps : toGraph(steps, list), [...path, "depends_on"], ids))}
      />
    </>
  );
}
