/** Reads a list to its end, as far as anybody would look through it. */
export async function all<T>(
  page: (cursor: string | undefined) => Promise<{ data: T[]; next_cursor?: string | null }>,
): Promise<T[]> {
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
