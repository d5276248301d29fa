import { type KeyboardEvent, useMemo, useRef } from "react";
import { cx } from "../kit/cx";
import { type Layout, pathOf } from "./drawing";
import { allOf, keyOf, placeWords } from "./entry";
import type { GraphProps } from "./Graph";
import s from "./Graph.module.css";
import { type Direction, nextTo } from "./layout";
import { Step } from "./Step";
import { lookOf } from "./state";
import { useDrawn } from "./useDrawn";
import { useLatest } from "./useLatest";

const KEYS: Readonly<Record<string, Direction>> = {
  ArrowUp: "up",
  ArrowDown: "down",
  ArrowLeft: "left",
  ArrowRight: "right",
};

interface Props extends GraphProps {
  layout: Layout;
  zoom: number;
}

/** Nodes, lines and boxes at their places. One node is in the order of the Tab key; arrows lead to those beside it. */
export function Canvas(props: Props) {
  const { steps, layout, zoom, states, selected, onSelect, problems, onGap, onConnect } = props;
  const list = useRef<HTMLUListElement>(null);
  const places = useMemo(() => new Map(allOf(steps).map((it) => [keyOf(it.path), placeWords(it)])), [steps]);
  const { nodes, edges, labels, gaps, width, height } = layout;
  const keys = nodes.map((it) => keyOf(it.path));
  const isSelected = (at: number) => selected !== undefined && [nodes[at]?.id, keys[at]].includes(selected);
  const reached = Math.max(
    0,
    nodes.findIndex((_, at) => isSelected(at)),
  );
  const select = useLatest((id: string, way: string) => onSelect?.(id, way));
  const move = useLatest((event: KeyboardEvent, way: string) => {
    const direction = KEYS[event.key];
    const from = nodes[keys.indexOf(way)];
    if (!direction || !from) return;
    event.preventDefault();
    const next = nextTo(nodes, from, direction);
    if (next)
      list.current?.querySelector<HTMLElement>(`[data-way="${CSS.escape(keyOf(next.path))}"]`)?.focus();
  });
  const { line, begin } = useDrawn(nodes, zoom, onConnect);
  return (
    <div
      className={s.drawing}
      style={{ width, height, transform: `scale(${zoom})` }}
      onPointerDown={onConnect && begin}
    >
      {nodes.map((it, at) => it.box && <span key={keys[at]} className={s.box} style={placeOf(it.box)} />)}
      <svg className={s.edges} width={width} height={height} aria-hidden>
        {edges.map((it) => (
          <path
            key={it.key}
            className={cx(it.makesUp ? s.makesup : s[lookOf(states, it.from, it.to)])}
            d={pathOf(it.points)}
          />
        ))}
        {line && <path className={s.drawn} d={line} />}
      </svg>
      {labels.map((it) => (
        <span key={it.key} className={s.label} style={placeOf(it)} title={it.text} aria-hidden>
          <span className="cut" dir="auto">
            {it.text}
          </span>
        </span>
      ))}
      <ul ref={list} aria-label="Entries">
        {nodes.map((it, at) => (
          <li key={keys[at]} className={s.place} style={placeOf(it)}>
            <Step
              entry={it.entry}
              way={keys[at] ?? ""}
              place={places.get(keys[at] ?? "") ?? ""}
              state={states?.[it.id]}
              isRun={states !== undefined}
              problem={problems?.[it.id] ?? problems?.[keys[at] ?? ""]}
              isSelected={isSelected(at)}
              isReached={at === reached}
              look={it.box ? "head" : "node"}
              onSelect={onSelect && select}
              onKeyDown={move}
            />
          </li>
        ))}
        {gaps.map((it) => (
          <li key={keyOf(it.path)} className={s.place} style={placeOf(it)}>
            {onGap ? (
              <button type="button" className={s.gap} onClick={() => onGap(it.path)}>
                Add here
              </button>
            ) : (
              <span className={s.gap}>nothing</span>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}

const placeOf = ({ x, y, width, height }: { x: number; y: number; width: number; height: number }) => ({
  left: x,
  top: y,
  width,
  height,
});
