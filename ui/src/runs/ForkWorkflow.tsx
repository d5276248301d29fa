import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "../api/me";
import type { Run } from "../api/types";
import { entriesOf } from "../graph/entry";
import { SelectField, TextArea, TextField } from "../kit/Field";
import { FormDialog } from "../kit/FormDialog";
import { pretty } from "../kit/json";
import { PickField } from "../kit/PickField";
import type { Execution } from "./entries";
import { forkable, forkOf, likelyStart, recordedBefore } from "./forks";
import { type ForkAsked, forkRun, workflowAtQuery } from "./queries";
import { useGoTo } from "./useGoTo";

interface Props {
  run: Run;
  all: ReadonlyMap<string, Execution>;
  /** The entry from which it goes on, if one was chosen already. */
  from?: string | undefined;
  onClose: () => void;
}

/** Another run of the same workflow, which uses what was recorded before an entry, or something else instead. */
export function ForkWorkflow({ run, all: begun, from: chosen, onClose }: Props) {
  const maySee = useMay("workflow.write", "admin.read");
  const { data } = useQuery({ ...workflowAtQuery(run.definition), enabled: maySee });
  const all = forkable(begun, entriesOf(data?.steps));
  const [from, setFrom] = useState(() => chosen ?? likelyStart(all));
  const [typed, setTyped] = useState<ReadonlyMap<string, string>>(new Map());
  const [version, setVersion] = useState("");
  const before = pretty(run.input);
  const [input, setInput] = useState(before);
  const goTo = useGoTo();
  const recorded = recordedBefore(all, from);
  const used = new Map([...typed].filter(([id]) => recorded.has(id)));
  // Another input leads to other results: only where none is used.
  const isAnew = recorded.size === 0;
  const made = forkOf(from, used, version, isAnew && input !== before ? input : null);
  const errors = "errors" in made ? made.errors : {};
  const fork = useMutation({
    mutationFn: (body: ForkAsked) => forkRun(run.id, body),
    onSuccess: (it) => goTo(it.id, `Forked from ${from}`),
  });
  const pick = (ids: readonly string[]) =>
    setTyped(new Map(ids.map((id) => [id, typed.get(id) ?? pretty(recorded.get(id) ?? null)])));
  return (
    <FormDialog
      title="Fork this run?"
      verb="Fork run"
      doing="Forking…"
      of={fork}
      onSubmit={() => "body" in made && fork.mutate(made.body)}
      onClose={onClose}
      known={["/from_step", "/overrides", "/version", "/input"]}
      disabled={from === ""}
    >
      <p className="sub">
        Another run uses what was recorded before this entry, and makes it and all that comes after it anew.
        What tools before it did is not done again.
      </p>
      <SelectField
        label="From entry"
        pointer="/from_step"
        options={[...all.keys()].map((it) => [it, it] as const)}
        value={from}
        onChange={setFrom}
      />
      {isAnew ? (
        <TextArea
          label="Input"
          mono
          rows={5}
          hint="JSON. It begins as it was."
          pointer="/input"
          error={errors["/input"]}
          value={input}
          onChange={setInput}
        />
      ) : (
        <PickField
          label="Something else for"
          optional
          hint="Entries before it whose output is to be another one."
          options={[...recorded.keys()]}
          value={[...used.keys()]}
          onChange={pick}
        />
      )}
      {[...used].map(([id, text]) => (
        <TextArea
          key={id}
          label={`Output of ${id}`}
          mono
          rows={5}
          hint="JSON. It begins as what was recorded."
          pointer={`/overrides/${id}`}
          error={errors[`/overrides/${id}`]}
          value={text}
          onChange={(next) => setTyped(new Map(typed).set(id, next))}
        />
      ))}
      <TextField
        label="Version"
        optional
        hint={`As it was: ${run.definition.version}.`}
        pointer="/version"
        error={errors["/version"]}
        value={version}
        onChange={setVersion}
      />
    </FormDialog>
  );
}
