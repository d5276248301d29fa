import { type PointerEvent, useState } from "react";
import type { Node } from "./drawing";
import { keyOf } from "./entry";
import { whileHeld } from "./hold";

/** A line that a mouse draws from one node to another, and tells where it has led. Fingers scroll by themselves. */
export function useDrawn(nodes: readonly Node[], zoom: number, onDrawn?: (from: string, to: string) => void) {
  const [line, setLine] = useState<string | null>(null);
  const begin = (event: PointerEvent<HTMLElement>) => {
    const [sheet, way] = [event.currentTarget, wayAt(event.target)];
    const from = nodes.find((it) => keyOf(it.path) === way);
    if (!from || way === undefined || event.pointerType !== "mouse" || event.button !== 0) return;
    const move = (to: globalThis.PointerEvent) => {
      const { left, top } = sheet.getBoundingClientRect();
      const end = `${(to.clientX - left) / zoom} ${(to.clientY - top) / zoom}`;
      const start = `${from.x + from.width / 2} ${from.y + from.height / 2}`;
      setLine(wayAt(to.target) === way ? null : `M${start}L${end}`);
    };
    whileHeld(move, (at) => {
      setLine(null);
      const other = wayAt(at?.target ?? null);
      if (other !== undefined && other !== way) onDrawn?.(way, other);
    });
  };
  return { line, begin };
}

/** The way to the node that something is in. */
const wayAt = (target: EventTarget | null): string | undefined =>
  target instanceof Element ? target.closest<HTMLElement>("[data-way]")?.dataset.way : undefined;
