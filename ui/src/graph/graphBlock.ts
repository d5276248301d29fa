import { type Block, connect, draw, GAP, heightOf, type Layout, PASSING, sideBySide } from "./drawing";
import { afterOf, type Entry, idOf } from "./entry";
import { layersOf, type Slot } from "./layers";

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
    width: sideBySide(layer.map(blockOf)),
    height: Math.max(0, ...layer.map((it) => blockOf(it).height)),
  }));
  const width = Math.max(...rows.map((it) => it.width));
  return {
    left: width / 2,
    right: width / 2,
    height: heightOf(rows),
    place: (x, y) => {
      let top = y;
      const placed = rows.map(({ layer, width, height }) => {
        let left = x - width / 2;
        const ends = layer.map((slot) => {
          const block = blockOf(slot);
          const middle = left + block.left;
          left += block.left + block.right + GAP.x;
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
