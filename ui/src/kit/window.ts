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
