import { type InfiniteData, infiniteQueryOptions, type QueryKey } from "@tanstack/react-query";

/** A page of a list, as the server answers it. */
export interface Paged<T> {
  data: T[];
  next_cursor?: string | null;
}

type Read<T> = (cursor: string | undefined) => Promise<Paged<T>>;

/** Reads a list to its end, as far as anybody would look through it. */
export async function all<T>(page: Read<T>): Promise<T[]> {
  const found: T[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < 50; pages++) {
    const { data, next_cursor } = await page(cursor);
    found.push(...data);
    if (!next_cursor) break;
    cursor = next_cursor;
  }
  return found;
}

/** A list that is read page by page, as far as somebody asks for more. */
export const pagesOf = <T>(queryKey: QueryKey, page: Read<T>) =>
  infiniteQueryOptions({
    queryKey,
    queryFn: ({ pageParam }) => page(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor }) => next_cursor ?? undefined,
  });

/** Pages as they were read, with what is new of the first. If more is new than that has, it is all that is known. */
export function withNewest<T extends { id: string }>(
  before: InfiniteData<Paged<T>>,
  newest: Paged<T>,
): typeof before {
  const [first, ...others] = before.pages;
  const known = newest.data.findIndex((it) => it.id === first?.data[0]?.id);
  if (!first || known < 0) return { pages: [newest], pageParams: [undefined] };
  if (known === 0) return before;
  const data = [...newest.data.slice(0, known), ...first.data];
  return { ...before, pages: [{ ...first, data }, ...others] };
}

/** A list as it is shown, however it is read. */
export interface Listed<T> {
  rows: readonly T[];
  isPending: boolean;
  error: unknown;
  refetch: () => unknown;
  /** Reads on; absent if there is no more. */
  more?: { load: () => unknown; isLoading: boolean } | undefined;
}

/** It was read, and there is nothing in it. */
export const isEmpty = ({ rows, isPending }: Listed<unknown>) => !isPending && rows.length === 0;

interface Asked<D> {
  data: D | undefined;
  isPending: boolean;
  error: unknown;
  refetch: () => unknown;
}

interface AskedOn<T> extends Asked<{ pages: readonly Paged<T>[] }> {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
}

export const listed = <T>({ data, isPending, error, refetch }: Asked<readonly T[]>): Listed<T> => ({
  rows: data ?? [],
  isPending,
  error,
  refetch,
});

export const listedPages = <T>({ data, isPending, error, refetch, ...on }: AskedOn<T>): Listed<T> => ({
  rows: data?.pages.flatMap((it) => it.data) ?? [],
  isPending,
  error,
  refetch,
  more: on.hasNextPage ? { load: on.fetchNextPage, isLoading: on.isFetchingNextPage } : undefined,
});
