import { type PointerEvent, useLayoutEffect, useMemo, useRef, useState } from "react";
import { Button } from "../kit/Button";
import { Segmented } from "../kit/Page";
import { useKept } from "../kit/useKept";
import { useNarrow } from "../kit/useNarrow";
import { Canvas } from "./Canvas";
import type { Entry, Path } from "./entry";
import s from "./Graph.module.css";
import { whileHeld } from "./hold";
import { layoutOf } from "./layout";
import { StepList } from "./StepList";
import type { States } from "./state";

/** What either view of a workflow is given. Entries are named by their ids, or by the ways to them: `0/do/1`. */
export interface GraphProps {
  steps: readonly Entry[];
  /** How far each is in a run. */
  states?: States | undefined;
  selected?: string | undefined;
  onSelect?: ((id: string, way: string) => void) | undefined;
  /** What is wrong with them. */
  problems?: Readonly<Record<string, string>> | undefined;
  /** Puts something into a list in which there is nothing. */
  onGap?: ((path: Path) => void) | undefined;
  /** One was drawn to another, by their ways. With keys there is the form of the entry for it. */
  onConnect?: ((from: string, to: string) => void) | undefined;
}

const STEP = 1.2;
const [LEAST, MOST] = [0.4, 1.6];

/**
 * A workflow as it goes on: a drawing, or a list that holds the same. On a narrow screen it is the list.
 *
 * Data flow: steps → `layoutOf` (pure) → nodes, lines and boxes at their places → `Canvas`. Nothing is measured.
 * State: which view (kept by the browser) and how large; what is selected is the caller's.
 */
export function Graph(props: GraphProps) {
  const [isListKept, keepList] = useKept("workflows.list");
  const isList = useNarrow() || isListKept;
  return (
    <div className={s.graph}>
      {isList ? <StepList {...props} /> : <Zoomed {...props} />}
      <div className={`${s.view} hide-n`}>
        <Segmented
          label="Show as"
          value={isListKept ? "list" : "graph"}
          options={[
            ["graph", "Graph"],
            ["list", "List"],
          ]}
          onChange={(it) => keepList(it === "list")}
        />
      </div>
    </div>
  );
}

function Zoomed(props: GraphProps) {
  const { steps, selected, onSelect } = props;
  const layout = useMemo(() => layoutOf(steps), [steps]);
  const [zoom, setZoom] = useState(1);
  const frame = useRef<HTMLDivElement>(null);
  const { width, height } = layout;

  // What is wider than the frame begins with its middle.
  useLayoutEffect(() => {
    const shown = frame.current;
    if (shown) shown.scrollLeft = (shown.scrollWidth - shown.clientWidth) / 2;
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another one is selected
  useLayoutEffect(() => {
    const node = frame.current?.querySelector<HTMLElement>("[data-selected]");
    if (frame.current && node) bringIntoView(frame.current, node);
  }, [selected]);

  const to = (next: number) => setZoom(Math.min(MOST, Math.max(LEAST, next)));
  const fit = () => {
    const shown = frame.current;
    if (shown) to(Math.min(1, shown.clientWidth / width, shown.clientHeight / height));
  };
  const count = layout.nodes.length;
  return (
    <>
      <div
        ref={frame}
        className={s.frame}
        role="group"
        aria-label={`Graph of ${count} ${count === 1 ? "entry" : "entries"}`}
        tabIndex={onSelect ? undefined : 0}
        onPointerDown={drag}
      >
        <div className={s.sheet} style={{ width: width * zoom, height: height * zoom }}>
          <Canvas {...props} layout={layout} zoom={zoom} />
        </div>
      </div>
      <div className={s.zoom}>
        <Button small look="quiet" icon="minus" aria-label="Zoom out" onClick={() => to(zoom / STEP)} />
        <span className="small tnum">{Math.round(zoom * 100)} %</span>
        <Button small look="quiet" icon="plus" aria-label="Zoom in" onClick={() => to(zoom * STEP)} />
        <Button small look="quiet" icon="maximize" aria-label="Show all of it" onClick={fit} />
      </div>
    </>
  );
}

/** What is drawn goes with the mouse that holds it; fingers scroll by themselves. */
function drag(event: PointerEvent<HTMLElement>) {
  const frame = event.currentTarget;
  if (event.pointerType !== "mouse" || event.button !== 0 || (event.target as Element).closest("button"))
    return;
  const { left, top } = frame.getBoundingClientRect();
  const isOnScrollbar =
    event.clientX >= left + frame.clientLeft + frame.clientWidth ||
    event.clientY >= top + frame.clientTop + frame.clientHeight;
  if (isOnScrollbar) return;
  const [x, y] = [event.clientX + frame.scrollLeft, event.clientY + frame.scrollTop];
  whileHeld(
    (to) => frame.scrollTo(x - to.clientX, y - to.clientY),
    () => {},
  );
}

/** Scrolls the frame, and not the page. */
function bringIntoView(frame: HTMLElement, node: HTMLElement) {
  const [outer, inner] = [frame.getBoundingClientRect(), node.getBoundingClientRect()];
  if (inner.top < outer.top || inner.bottom > outer.bottom)
    frame.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 2;
  if (inner.left < outer.left || inner.right > outer.right)
    frame.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
}
