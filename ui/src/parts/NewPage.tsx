import { type UseQueryOptions, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ProblemNote, Skeleton } from "../kit/Messages";
import { Body, type Crumb, Head } from "../kit/Page";

interface Props<T, K extends readonly unknown[]> {
  title: string;
  crumbs: readonly Crumb[];
  /** What it begins as a copy of, and how that is read. */
  from: string | undefined;
  read: (from: string) => UseQueryOptions<T, Error, T, K>;
  children: (original: T | null) => ReactNode;
}

/** Where a definition is made, maybe as a copy of another one. */
export function NewPage<T, K extends readonly unknown[]>(props: Props<T, K>) {
  const { title, crumbs, from, read, children } = props;
  const { data, error, refetch } = useQuery({ ...read(from ?? ""), enabled: Boolean(from) });
  const soon = error ? <ProblemNote error={error} retry={refetch} /> : <Skeleton />;
  return (
    <>
      <Head title={title} crumbs={crumbs} />
      <Body>{from && !data ? soon : children(data ?? null)}</Body>
    </>
  );
}
