/** A place in a layer: an entry of the list, or where an edge passes between entries. */
export type Slot = { entry: number } | { from: number; to: number };

export interface Layers {
  /** From above to below, each from left to right. */
  layers: Slot[][];
  /** Lines from place to place. */
  steps: Step[];
}

/** A layer, and a place in it. */
type Place = [layer: number, at: number];
export type Step = [from: Place, to: Place];

/** So often layers are put in order, down and up. */
const SWEEPS = 4;
/** Lines that pass more entries than so many, all together, go behind them. */
const MOST_PASSING = 2000;

/**
 * Puts a graph in layers, so that each entry stands below all that it waits for, and few edges cross. `after`: by their
 * places in the list, which others each waits for. A circle is no graph: what closes it is left out.
 */
export function layersOf(after: readonly (readonly number[])[]): Layers {
  const edges = withoutCircles(after);
  const depths: number[] = [];
  const depthOf = (at: number): number => {
    const known = depths[at];
    if (known !== undefined) return known;
    const depth = Math.max(-1, ...(edges[at] ?? []).map(depthOf)) + 1;
    depths[at] = depth;
    return depth;
  };
  after.forEach((_, at) => {
    depthOf(at);
  });
  const layers: Slot[][] = Array.from({ length: Math.max(-1, ...depths) + 1 }, () => []);
  const placed = new Map<number, Slot>();
  depths.forEach((depth, entry) => {
    const slot = { entry };
    placed.set(entry, slot);
    layers[depth]?.push(slot);
  });
  const links: [Slot, Slot][] = [];
  let passings = 0;
  edges.forEach((sources, to) => {
    for (const from of sources) {
      let above = placed.get(from) as Slot;
      const [first, last] = [(depths[from] ?? 0) + 1, depths[to] ?? 0];
      passings += last - first;
      for (let depth = first; depth < last && passings <= MOST_PASSING; depth++) {
        const passing = { from, to };
        layers[depth]?.push(passing);
        links.push([above, passing]);
        above = passing;
      }
      links.push([above, placed.get(to) as Slot]);
    }
  });
  for (let sweep = 0; sweep < SWEEPS; sweep++) order(layers, links, sweep % 2 === 0);
  const places = new Map<Slot, [number, number]>();
  layers.forEach((slots, layer) => {
    slots.forEach((slot, at) => {
      places.set(slot, [layer, at]);
    });
  });
  const steps = links.map(([from, to]): Step => [places.get(from) ?? [0, 0], places.get(to) ?? [0, 0]]);
  return { layers, steps };
}

/** The same without edges that lead back to where a way began. */
function withoutCircles(after: readonly (readonly number[])[]): number[][] {
  const kept: number[][] = after.map(() => []);
  const state = new Map<number, "open" | "done">();
  const visit = (at: number) => {
    state.set(at, "open");
    for (const before of new Set(after[at])) {
      if (state.get(before) === "open" || after[before] === undefined) continue;
      if (!state.has(before)) visit(before);
      kept[at]?.push(before);
    }
    state.set(at, "done");
  };
  after.forEach((_, at) => {
    if (!state.has(at)) visit(at);
  });
  return kept;
}

/** Puts each place of a layer where those that it is tied to are, on the whole. */
function order(layers: Slot[][], links: readonly (readonly [Slot, Slot])[], isDown: boolean) {
  const tied = new Map<Slot, Slot[]>();
  for (const [above, below] of links) {
    const [own, other] = isDown ? [below, above] : [above, below];
    const others = tied.get(own);
    if (others) others.push(other);
    else tied.set(own, [other]);
  }
  const sequence = isDown ? layers.map((_, at) => at) : layers.map((_, at) => layers.length - 1 - at);
  for (const at of sequence) {
    const neighbours = layers[at + (isDown ? -1 : 1)];
    const layer = layers[at];
    if (!neighbours || !layer) continue;
    const places = new Map(neighbours.map((it, place) => [it, (place + 0.5) / neighbours.length]));
    const wish = new Map(
      layer.map((slot, place) => {
        const found = (tied.get(slot) ?? []).flatMap((it) => places.get(it) ?? []);
        const own = (place + 0.5) / layer.length;
        return [slot, found.length > 0 ? found.reduce((sum, it) => sum + it, 0) / found.length : own];
      }),
    );
    layer.sort((a, b) => (wish.get(a) ?? 0) - (wish.get(b) ?? 0));
  }
}
