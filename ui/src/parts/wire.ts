import type { FormProps } from "./Editor";

/** What ties a field of a draft to its place in the body that is sent. */
export type Wire<D> = <K extends keyof D>(
  key: K,
  pointer: string,
) => {
  pointer: string;
  error: string | undefined;
  value: D[K];
  onChange: (value: D[K]) => void;
};

export const wireOf =
  <D>({ draft, setDraft, errors }: FormProps<D>): Wire<D> =>
  (key, pointer) => ({
    pointer,
    error: errors[pointer],
    value: draft[key],
    onChange: (value) => setDraft((before) => ({ ...before, [key]: value })),
  });
