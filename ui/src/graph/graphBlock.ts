import { type Block, connect, draw, GAP, heightOf, type Layout, PASSING } from "./drawing";
import { afterOf, type Entry, idOf } from "./entry";
import { layersOf, type Slot, type Step } from "./layers";
import { settle } from "./settle";

/** Entries that wait for each other: each below all that it waits for. */
export function graphBlock(entries: readonly Entry[], blocks: readonly Block[], all: Layout): Block {
  const places = new Map(entries.map((it, at) => [idOf(it), at]));
  const after = entries.map((it) => (afterOf(it) ?? []).flatMap((id) => places.get(id) ?? []));
  const { layers, steps } = layersOf(after);
  const isNamed = new Set(after.flat());
  const blockOf = (slot: Slot): Omit<Block, "place"> =>
    ("entry" in slot && blocks[slot.entry]) || { left: PASSING / 2, right: PASSING / 2, height: 0 };
  const rows = layers.map((layer) => ({
    layer,
    blocks: layer.map(blockOf),
    height: Math.max(0, ...layer.map((it) => blockOf(it).height)),
  }));
  const middles = middlesOf(
    rows.map((it) => it.blocks),
    steps,
  );
  const sides = rows.flatMap((row, depth) =>
    row.blocks.map((it, at) => {
      const middle = middles[depth]?.[at] ?? 0;
      return [middle - it.left, middle + it.right] as const;
    }),
  );
  const first = Math.min(...sides.map(([left]) => left));
  const width = Math.max(...sides.map(([, right]) => right)) - first;
  return {
    left: width / 2,
    right: width / 2,
    height: heightOf(rows),
    place: (x, y) => {
      let top = y;
      const placed = rows.map(({ layer, height }, depth) => {
        const ends = layer.map((slot, at) => {
          const middle = Math.round(x - width / 2 - first + (middles[depth]?.[at] ?? 0));
          if ("entry" in slot) return (blocks[slot.entry] as Block).place(middle, top);
          const [from, to] = [entries[slot.from], entries[slot.to]].map((it) => (it ? idOf(it) : null));
          return {
            in: [{ x: middle, y: top, id: to ?? null }],
            out: [{ x: middle, y: top + height, id: from ?? null }],
          };
        });
        top += height + GAP.y;
        return ends;
      });
      layers.forEach((layer, depth) => {
        layer.forEach((slot, at) => {
          const ends = placed[depth]?.[at];
          const [above, below] = [ends?.in[0], ends?.out[0]];
          if ("entry" in slot || !above || !below) return;
          draw({ ...above, id: below.id }, { ...below, id: above.id }, all);
        });
      });
      for (const [[layer, at], [below, to]] of steps)
        connect(placed[layer]?.[at]?.out ?? [], placed[below]?.[to]?.in ?? [], all);
      const endsOf = (isEnd: (entry: number) => boolean) =>
        layers.flatMap((layer, depth) =>
          layer.flatMap((slot, at) =>
            "entry" in slot && isEnd(slot.entry) ? (placed[depth]?.[at] ?? []) : [],
          ),
        );
      return {
        in: endsOf((it) => after[it]?.length === 0).flatMap((it) => it.in),
        out: endsOf((it) => !isNamed.has(it)).flatMap((it) => it.out),
      };
    },
  };
}

/** So often each row is moved to where those beside it are, from above to below and back. */
const SWEEPS = 6;

/** Where the middle of each place is: near those that it is tied to, so that lines go straight on. */
function middlesOf(rows: readonly (readonly Omit<Block, "place">[])[], steps: readonly Step[]): number[][] {
  const gaps = rows.map((row) => row.slice(1).map((it, at) => (row[at]?.right ?? 0) + GAP.x + it.left));
  const middles = rows.map((row, depth) =>
    settle(
      row.map(() => 0),
      gaps[depth] ?? [],
    ),
  );
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const isDown = sweep % 2 === 0;
    const tied = new Map<string, Step[0][]>();
    for (const [above, below] of steps) {
      const [own, other] = isDown ? [below, above] : [above, below];
      const key = own.join();
      tied.set(key, [...(tied.get(key) ?? []), other]);
    }
    const order = rows.map((_, at) => (isDown ? at : rows.length - 1 - at));
    for (const depth of order) {
      const wishes = (middles[depth] ?? []).map((own, at) => {
        const others = tied.get([depth, at].join()) ?? [];
        const sum = others.reduce((all, [row, place]) => all + (middles[row]?.[place] ?? 0), 0);
        return others.length > 0 ? sum / others.length : own;
      });
      middles[depth] = settle(wishes, gaps[depth] ?? []);
    }
  }
  return middles;
}
