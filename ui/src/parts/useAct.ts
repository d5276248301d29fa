import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useToast } from "../kit/Toasts";

interface Then<I, O> {
  /** What queries begin with that are read again. */
  keys: readonly string[];
  /** What is said when it was done. */
  said?: (made: O, input: I) => string;
  after?: (made: O, input: I) => void;
}

/** Something that is done with the server: what it changes is read again, and whoever did it is told. */
export function useAct<I = void, O = unknown>(
  act: (input: I) => Promise<O>,
  { keys, said, after }: Then<I, O>,
) {
  const queries = useQueryClient();
  const say = useToast();
  return useMutation({
    mutationFn: act,
    onSuccess: (made, input) => {
      for (const key of keys) queries.invalidateQueries({ queryKey: [key] });
      if (said) say(said(made, input));
      after?.(made, input);
    },
  });
}
