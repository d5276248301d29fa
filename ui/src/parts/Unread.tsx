import { type UseQueryOptions, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { failureOf } from "../api/problem";
import { nearest } from "../kit/find";
import { ProblemNote, Skeleton } from "../kit/Messages";
import { Body, type Crumb, Head } from "../kit/Page";

interface Props {
  title: string;
  crumbs: readonly Crumb[];
  error: unknown;
  retry: () => void;
  /** Where somebody may have wanted to go who wrote a name that there is not. */
  meant?: ReactNode;
}

/**
 * A page of something that is not read yet, or cannot be. It is no element of its own: its head becomes that of the page
 * when that is there, its body does not.
 */
export function unread({ title, crumbs, error, retry, meant }: Props) {
  return (
    <>
      <Head title={title} crumbs={crumbs} />
      <Body key="unread">
        {error ? <ProblemNote error={error} retry={retry} /> : <Skeleton />}
        {error !== null && failureOf(error).status === 404 && meant}
      </Body>
    </>
  );
}

/** The nearest of the names that there are. */
export function Meant<T extends { name: string }>({
  name,
  query,
  link,
}: {
  name: string;
  query: UseQueryOptions<T[], Error, T[], string[]>;
  link: (name: string) => ReactNode;
}) {
  const { data } = useQuery(query);
  const near = nearest(
    name,
    (data ?? []).map((it) => it.name),
  );
  return near === undefined ? null : <p>Did you mean {link(near)}?</p>;
}
