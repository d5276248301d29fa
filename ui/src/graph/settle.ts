/**
 * Places in a row, in their order and at least so far from each other, as near as can be to where they would like to be
 * (isotonic regression: neighbours that want to pass each other meet in the middle).
 */
export function settle(wishes: readonly number[], gaps: readonly number[]): number[] {
  const offsets: number[] = [];
  wishes.forEach((_, at) => {
    offsets.push(at === 0 ? 0 : (offsets[at - 1] ?? 0) + (gaps[at - 1] ?? 0));
  });
  const pools: { sum: number; count: number }[] = [];
  wishes.forEach((wish, at) => {
    pools.push({ sum: wish - (offsets[at] ?? 0), count: 1 });
    for (;;) {
      const [above, last] = pools.slice(-2);
      if (!above || !last || above.sum / above.count <= last.sum / last.count) break;
      pools.splice(-2, 2, { sum: above.sum + last.sum, count: above.count + last.count });
    }
  });
  const settled = pools.flatMap(({ sum, count }) => Array.from({ length: count }, () => sum / count));
  return settled.map((it, at) => it + (offsets[at] ?? 0));
}
