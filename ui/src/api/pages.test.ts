import { expect, test } from "vitest";
import { type Paged, withNewest } from "./pages";

const page = (next_cursor: string | null, ...ids: string[]): Paged<{ id: string }> => ({
  data: ids.map((id) => ({ id })),
  next_cursor,
});
const READ = { pages: [page("4", "6", "5", "4"), page(null, "3")], pageParams: [undefined, "4"] };
const idsOf = ({ pages }: Pick<typeof READ, "pages">) =>
  pages.map((it) => it.data.map(({ id }) => id).join(" "));

test("what is new comes before what was read, once, and all else stays", () => {
  const next = withNewest(READ, page("6", "8", "7", "6"));
  expect(idsOf(next)).toEqual(["8 7 6 5 4", "3"]);
  expect([next.pages[0]?.next_cursor, next.pageParams]).toEqual(["4", READ.pageParams]);
  expect(withNewest(READ, page("4", "6", "5", "4"))).toBe(READ);
});

test("there is no gap: if what is new does not reach what was read, it is read on from there", () => {
  const newest = page("10", "12", "11", "10");
  expect(withNewest(READ, newest)).toEqual({ pages: [newest], pageParams: [undefined] });
  const first = { pages: [page(null)], pageParams: [undefined] };
  expect(idsOf(withNewest(first, page(null, "1")))).toEqual(["1"]);
});
