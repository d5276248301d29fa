import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { TextField } from "../kit/Field";
import { FormDialog } from "../kit/FormDialog";
import { useToast } from "../kit/Toasts";
import { SchemaForm, useAny } from "../parts/SchemaForm";
import type { Schema } from "../parts/schema";
import { deliveredWords } from "./delivered";
import { bringEvent } from "./queries";

interface Props {
  name: string;
  /** What is waited for, as far as it is known. */
  waitsFor: string | null;
  /** Of the payload, if the entry has one. */
  schema: Schema | null;
  onClose: () => void;
}

const ANY: Schema = {};

/** Brings the event that an entry waits for, as a program would. */
export function SendEvent({ name, waitsFor, schema, onClose }: Props) {
  const [key, setKey] = useState(waitsFor ?? "");
  const given = useAny(schema ?? ANY);
  const say = useToast();
  const send = useMutation({
    mutationFn: (payload: unknown) => bringEvent({ name, key, payload }),
    onSuccess: (made) => {
      say(deliveredWords(made));
      onClose();
    },
  });
  return (
    <FormDialog
      title={`Send the event ${name}?`}
      verb="Send event"
      doing="Sending…"
      of={send}
      onSubmit={() => "body" in given.made && send.mutate(given.made.body)}
      onClose={onClose}
      known={["/key", "/payload"]}
    >
      <p className="sub">
        It goes to every run that waits for this name and key, once, and begins the workflows that have a
        trigger for it.
      </p>
      <TextField label="Key" optional mono pointer="/key" value={key} onChange={setKey} />
      <SchemaForm of={given} pointer="/payload" label="Payload" />
    </FormDialog>
  );
}
