import { queryOptions, useSuspenseQuery } from "@tanstack/react-query";
import { answer, api } from "./client";

/** Who is signed in, and what he may do. */
export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: () => answer(api.GET("/me")),
  staleTime: 60_000,
  refetchOnWindowFocus: true,
});

export const useMe = () => useSuspenseQuery(meQuery).data;

/** Whether whoever is signed in may do what any of these scopes opens. */
export function useMay(...scopes: string[]): boolean {
  const { scopes: held } = useMe();
  return scopes.some((it) => held.includes(it));
}
