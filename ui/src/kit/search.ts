/** View state stands in the URL. What is not understood there is as if it were not there. */
export type Raw = Record<string, unknown>;

export const textIn = (raw: Raw, name: string): string | undefined => {
  const value = raw[name];
  return typeof value === "string" && value !== "" ? value : undefined;
};

export function oneOf<T extends string>(raw: Raw, name: string, known: readonly T[]): T | undefined {
  const value = raw[name];
  return known.find((it) => it === value);
}

/** A query string as texts: numbers and `true` are texts, too. */
export const parseSearch = (query: string): Raw => Object.fromEntries(new URLSearchParams(query));

export function stringifySearch(search: Raw): string {
  const pairs = Object.entries(search).filter(
    ([, value]) => value !== undefined && value !== null && value !== "",
  );
  const query = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString();
  return query && `?${query}`;
}
