/** Rows that are drawn above and below what is seen, so that scrolling shows no gap. */
const BEYOND = 6;

/**
 * Which rows of a long list have to be drawn: `first` to before `end`.
 *
 * `top` is how far the list begins above the upper edge of what is seen; all lengths are pixels.
 */
export function rowsToDraw(
  top: number,
  height: number,
  row: number,
  count: number,
): { first: number; end: number } {
  const above = Math.floor(Math.max(top, 0) / row);
  const first = Math.max(Math.min(above, count) - BEYOND, 0);
  const end = Math.min(Math.ceil((Math.max(top, 0) + height) / row) + BEYOND, count);
  return { first, end: Math.max(end, first) };
}

/**
 * The places in the page of the rows from `first` to before `end`, by their numbers: a row that stays keeps its place, and
 * one that comes takes that of one that went. So little is made anew, however fast a list is scrolled.
 */
export function placesOf(
  before: ReadonlyMap<number, number>,
  first: number,
  end: number,
): ReadonlyMap<number, number> {
  const taken = new Set<number>();
  for (let row = first; row < end; row++) {
    const place = before.get(row);
    if (place !== undefined) taken.add(place);
  }
  const places = new Map<number, number>();
  let free = 0;
  for (let row = first; row < end; row++) {
    const kept = before.get(row);
    while (kept === undefined && taken.has(free)) free++;
    places.set(row, kept ?? free++);
  }
  return places;
}
