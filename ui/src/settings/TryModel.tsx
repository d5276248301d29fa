import { useMutation, useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { Field, inputClass } from "../kit/Field";
import { FormDialog } from "../kit/FormDialog";
import { duration } from "../kit/format";
import { Note } from "../kit/Messages";
import { modelsQuery, testModel } from "./queries";

/** Makes one short call to a model of `provider`, and says what came of it. */
export function TryModel({
  provider,
  usual,
  onClose,
}: {
  provider: string;
  usual: string;
  onClose: () => void;
}) {
  const known = useQuery(modelsQuery);
  const names = (known.data?.data ?? []).filter((it) => it.provider === provider).map((it) => it.id);
  const first = usual.startsWith(`${provider}/`) ? usual : names[0];
  const [typed, setTyped] = useState<string | null>(null);
  const model = typed ?? first ?? `${provider}/`;
  const list = useId();
  const attempt = useMutation({ mutationFn: () => testModel(model) });
  const came = attempt.data;
  return (
    <FormDialog
      title={`Does ${provider} answer?`}
      verb="Ask the model"
      doing="Asking…"
      of={attempt}
      onSubmit={() => attempt.mutate()}
      onClose={onClose}
      known={["/model"]}
    >
      <Field label="Model" pointer="/model" hint="One short call, which costs a few tokens.">
        {(wiring) => (
          <>
            <input
              {...wiring}
              className={`${inputClass} mono`}
              list={list}
              autoComplete="off"
              spellCheck={false}
              value={model}
              onChange={(event) => setTyped(event.target.value)}
            />
            <datalist id={list}>
              {names.map((it) => (
                <option key={it} value={it} />
              ))}
            </datalist>
          </>
        )}
      </Field>
      <div aria-live="polite">
        {came && !came.error && (
          <Note look="ok" title={`It answered in ${duration(came.took_ms)}`}>
            <span dir="auto">{came.text || "with nothing that is text"}</span>
          </Note>
        )}
        {came?.error && (
          <Note look="bad" title={`No answer, after ${duration(came.took_ms)}`}>
            {came.error.message}
          </Note>
        )}
      </div>
    </FormDialog>
  );
}
