import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { TriggerState } from "../api/types";
import { TextArea } from "../kit/Field";
import { FormDialog } from "../kit/FormDialog";
import { parseJson } from "../kit/json";
import { useToast } from "../kit/Toasts";
import { json } from "../parts/reading";
import { fireTrigger } from "./queries";

interface Props {
  workflow: { id: string; name: string };
  trigger: TriggerState;
  onClose: () => void;
}

/** Runs what a trigger runs, now and once. */
export function FireDialog({ workflow, trigger, onClose }: Props) {
  const [text, setText] = useState(json(trigger.input));
  const queries = useQueryClient();
  const navigate = useNavigate();
  const say = useToast();
  const parsed = text.trim() === "" ? { value: undefined } : parseJson(text);
  const fire = useMutation({
    mutationFn: (input: unknown) => fireTrigger(workflow.id, trigger.id, input),
    onSuccess: (run) => {
      queries.invalidateQueries({ queryKey: ["workflows"] });
      say(`Began a run of ${workflow.name}`);
      navigate({ to: "/runs/$id", params: { id: run.id } });
    },
  });
  return (
    <FormDialog
      title={`Run ${workflow.name} now?`}
      verb="Run now"
      doing="Beginning…"
      of={fire}
      onSubmit={() => "value" in parsed && fire.mutate(parsed.value)}
      onClose={onClose}
      known={["/input"]}
    >
      <p className="sub">
        As if <code>{trigger.id}</code> had happened, once, with your own rights. It stands in the history as
        done by hand.
      </p>
      <TextArea
        label="Input"
        optional
        mono
        rows={6}
        hint="JSON. Empty: what the trigger gives."
        pointer="/input"
        error={"error" in parsed ? parsed.error : undefined}
        value={text}
        onChange={setText}
      />
    </FormDialog>
  );
}
