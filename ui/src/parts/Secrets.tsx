import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useMay } from "../api/me";
import { secretNamesQuery } from "../api/secrets";

/** The names of what is kept here, with the hosts that may get it; `null`: one may not see which there are. */
export function useSecrets(): readonly { name: string; hosts: readonly string[] }[] | null {
  const maySee = useMay("secret.read", "secret.write");
  const { data } = useQuery({ ...secretNamesQuery, enabled: maySee });
  return maySee ? (data ?? []) : null;
}

/** Where secrets are made, for those who may see them. */
export function SecretHint({ children }: { children: ReactNode }) {
  const maySee = useMay("secret.read", "secret.write");
  return (
    <>
      {children} {maySee && <Link to="/secrets">Secrets</Link>}
    </>
  );
}
