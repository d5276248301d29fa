import type { Entry, Path } from "./entry";

/** An entry in the drawing. What holds others is the head of their box. */
export interface Node {
  id: string;
  entry: Entry;
  path: Path;
  x: number;
  y: number;
  width: number;
  height: number;
  /** What it holds is drawn in this box. */
  box: Box | null;
  makesUp: boolean;
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A line from one entry to the next. */
export interface Edge {
  key: string;
  points: readonly Point[];
  from: string | null;
  to: string | null;
  /** It leads to what makes up for an entry. */
  makesUp: boolean;
}

/** The name of a part, above it. */
export interface Label extends Box {
  key: string;
  text: string;
  /** The first entry of the part; `null` if it is empty. */
  to: string | null;
}

/** A list in which there is nothing. */
export interface Gap extends Box {
  path: Path;
}

export interface Point {
  x: number;
  y: number;
}

export interface Layout {
  nodes: Node[];
  edges: Edge[];
  labels: Label[];
  gaps: Gap[];
  width: number;
  height: number;
}

export const NODE = { width: 210, height: 52 };
export const HEAD = 48;
export const GAP = { x: 28, y: 36 };
export const PAD = 16;
export const LABEL = 20;
export const EMPTY = { width: 120, height: 28 };
export const MARGIN = 20;
/** What an edge takes that passes between entries. */
export const PASSING = 24;

/** Something that is drawn, by how far it goes to both sides of the line through its middle. */
export interface Block {
  left: number;
  right: number;
  height: number;
  /** Draws it; what leads to it, and what leads on from it. */
  place: (x: number, y: number) => Ends;
}

export interface End extends Point {
  id: string | null;
}

export interface Ends {
  in: End[];
  out: End[];
}

export const heightOf = (blocks: readonly { height: number }[]) =>
  blocks.reduce((sum, it) => sum + it.height, 0) + Math.max(0, blocks.length - 1) * GAP.y;

export const sideBySide = (blocks: readonly { left: number; right: number }[]) =>
  blocks.reduce((sum, it) => sum + it.left + it.right, 0) + Math.max(0, blocks.length - 1) * GAP.x;

/** Draws a line from each to each. */
export function connect(from: readonly End[], to: readonly End[], all: Layout, bendAbove = 0) {
  for (const a of from) for (const b of to) draw(a, b, all, bendAbove);
}

export function draw(a: End, b: End, all: Layout, bendAbove = 0) {
  const bend = b.y - bendAbove - GAP.y / 2;
  const points = Math.abs(a.x - b.x) < 1 ? [a, b] : [a, { x: a.x, y: bend }, { x: b.x, y: bend }, b];
  const key = `${all.edges.length}`;
  all.edges.push({ key, points: points.map(({ x, y }) => ({ x, y })), from: a.id, to: b.id, makesUp: false });
}

/** How round the bends of a line are. */
const RADIUS = 12;

/** A line as SVG has it: it goes down and across, and its bends are round. */
export function pathOf(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (!first) return "";
  let path = `M${first.x} ${first.y}`;
  rest.forEach((point, at) => {
    const [before, after] = [points[at] as Point, rest[at + 1]];
    if (!after) {
      path += `L${point.x} ${point.y}`;
      return;
    }
    const from = towardsOf(point, before);
    const to = towardsOf(point, after);
    path += `L${from.x} ${from.y}Q${point.x} ${point.y} ${to.x} ${to.y}`;
  });
  return path;
}

/** A little before the end of a way that goes straight. */
function towardsOf(end: Point, other: Point): Point {
  const far = Math.abs(other.x - end.x) + Math.abs(other.y - end.y);
  const share = far === 0 ? 0 : Math.min(RADIUS, far / 2) / far;
  return { x: end.x + (other.x - end.x) * share, y: end.y + (other.y - end.y) * share };
}
