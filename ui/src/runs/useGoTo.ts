import { useNavigate } from "@tanstack/react-router";
import { useToast } from "../kit/Toasts";

/** Leads to a run that was begun, and says what it is. */
export function useGoTo() {
  const navigate = useNavigate();
  const say = useToast();
  return (id: string, what: string) => {
    say(what);
    navigate({ to: "/runs/$id", params: { id } });
  };
}
