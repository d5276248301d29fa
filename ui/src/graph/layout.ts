import {
  type Block,
  connect,
  EMPTY,
  GAP,
  HEAD,
  heightOf,
  LABEL,
  type Layout,
  MARGIN,
  NODE,
  type Node,
  PAD,
  sideBySide,
} from "./drawing";
import { type Entry, idOf, isGraph, isObject, keyOf, type Path, partsOf } from "./entry";
import { graphBlock } from "./graphBlock";
import { predicateWords } from "./words";

/** Where the entries of a workflow are drawn: one below the other, what is done at once side by side. */
export function layoutOf(steps: readonly Entry[]): Layout {
  const all: Layout = { nodes: [], edges: [], labels: [], gaps: [], width: 0, height: 0 };
  const block = listBlock(steps, [], all);
  block.place(MARGIN + block.left, MARGIN);
  all.width = block.left + block.right + 2 * MARGIN;
  all.height = block.height + 2 * MARGIN;
  return all;
}

function listBlock(entries: readonly Entry[], path: Path, all: Layout): Block {
  if (entries.length === 0) return gapBlock(path, all);
  const blocks = entries.map((it, at) => entryBlock(it, [...path, at], all));
  return isGraph(entries) ? graphBlock(entries, blocks, all) : sequenceBlock(blocks, all);
}

function gapBlock(path: Path, all: Layout): Block {
  const half = EMPTY.width / 2;
  return {
    left: half,
    right: half,
    height: EMPTY.height,
    place: (x, y) => {
      all.gaps.push({ ...EMPTY, x: x - half, y, path });
      return { in: [{ x, y, id: null }], out: [{ x, y: y + EMPTY.height, id: null }] };
    },
  };
}

function sequenceBlock(blocks: readonly Block[], all: Layout): Block {
  return {
    left: Math.max(...blocks.map((it) => it.left)),
    right: Math.max(...blocks.map((it) => it.right)),
    height: heightOf(blocks),
    place: (x, y) => {
      let top = y;
      const ends = blocks.map((it) => {
        const placed = it.place(x, top);
        top += it.height + GAP.y;
        return placed;
      });
      ends.slice(1).forEach((below, at) => {
        connect(ends[at]?.out ?? [], below.in, all);
      });
      return { in: ends[0]?.in ?? [], out: ends.at(-1)?.out ?? [] };
    },
  };
}

function entryBlock(entry: Entry, path: Path, all: Layout): Block {
  const parts = partsOf(entry);
  if (parts === null) return leafBlock(entry, path, all);
  const columns = parts.map((part) => ({
    part,
    block: listBlock(part.entries, [...path, ...part.path], all),
  }));
  const labelled = parts.some((it) => it.name !== "") ? LABEL : 0;
  const inner = Math.max(
    NODE.width,
    sideBySide(columns.map(({ block }) => ({ left: block.left, right: block.right }))),
  );
  const half = inner / 2 + PAD;
  const body = Math.max(0, ...columns.map(({ block }) => block.height));
  const height = HEAD + (columns.length > 0 ? GAP.y + labelled + body + GAP.y : 0);
  return {
    left: half,
    right: half,
    height,
    place: (x, y) => {
      const id = idOf(entry);
      const box = { x: x - half, y, width: 2 * half, height };
      all.nodes.push({ ...box, height: HEAD, id, entry, path, box, makesUp: false });
      const [head, foot] = [
        { x, y: y + HEAD, id },
        { x, y: y + height, id },
      ];
      const whole = sideBySide(columns.map(({ block }) => block));
      let left = x - whole / 2;
      for (const { part, block } of columns) {
        const middle = left + block.left;
        const top = y + HEAD + GAP.y + labelled;
        const ends = block.place(middle, top);
        if (labelled) {
          const width = block.left + block.right;
          const text = "when" in part ? predicateWords(part.when) : part.name;
          const key = keyOf([...path, ...part.path]);
          all.labels.push({
            key,
            text,
            x: left,
            y: top - LABEL - 2,
            width,
            height: LABEL,
            to: ends.in[0]?.id ?? null,
          });
        }
        connect([head], ends.in, all, labelled);
        connect(ends.out, [foot], all);
        left += block.left + block.right + GAP.x;
      }
      return { in: [{ x, y, id }], out: [foot] };
    },
  };
}

function leafBlock(entry: Entry, path: Path, all: Layout): Block {
  const half = NODE.width / 2;
  const compensate = isObject(entry.compensate) ? entry.compensate : null;
  return {
    left: half,
    right: compensate ? half + GAP.x + NODE.width : half,
    height: NODE.height,
    place: (x, y) => {
      const id = idOf(entry);
      all.nodes.push({ ...NODE, x: x - half, y, id, entry, path, box: null, makesUp: false });
      if (compensate) {
        const [own, left] = [idOf(compensate), x + half + GAP.x];
        const where = { ...NODE, x: left, y, path: [...path, "compensate"] };
        all.nodes.push({ ...where, id: own, entry: compensate, box: null, makesUp: true });
        const middle = y + NODE.height / 2;
        const points = [
          { x: x + half, y: middle },
          { x: left, y: middle },
        ];
        all.edges.push({ key: `${keyOf(path)}!`, points, from: id, to: own, makesUp: true });
      }
      return { in: [{ x, y, id }], out: [{ x, y: y + NODE.height, id }] };
    },
  };
}

export type Direction = "up" | "down" | "left" | "right";

/** The node that is next to one in a direction: the nearest, and rather straight on than aside. */
export function nextTo(nodes: readonly Node[], from: Node, direction: Direction): Node | undefined {
  const isAcross = direction === "left" || direction === "right";
  const sign = direction === "down" || direction === "right" ? 1 : -1;
  const own = middleOf(from);
  const far = (it: Node) => {
    const other = middleOf(it);
    const [ahead, aside] = isAcross
      ? [(other.x - own.x) * sign, Math.abs(other.y - own.y)]
      : [(other.y - own.y) * sign, Math.abs(other.x - own.x)];
    return ahead <= 1 ? Number.POSITIVE_INFINITY : ahead + 2 * aside;
  };
  const near = nodes.map((it) => ({ it, far: far(it) })).filter((it) => Number.isFinite(it.far));
  return near.sort((a, b) => a.far - b.far)[0]?.it;
}

const middleOf = (it: Node) => ({ x: it.x + it.width / 2, y: it.y + it.height / 2 });
