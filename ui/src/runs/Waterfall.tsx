import { type KeyboardEvent, memo } from "react";
import { cx } from "../kit/cx";
import { duration, tokens } from "../kit/format";
import { Icon } from "../kit/Icon";
import { KindMark } from "../kit/Marks";
import type { Waterfall as Layout, Line } from "./layout";
import s from "./Runs.module.css";

// Data flows one way: tree and events → layout.ts → here. Which span is chosen stands in the URL and belongs to the page.

interface Props {
  layout: Layout;
  chosen: string | undefined;
  onChoose: (id: string | undefined) => void;
}

const LEGEND = [
  ["model", "model"],
  ["tool", "tool"],
  ["retrieval", "retrieval"],
  ["agent", "agent"],
  ["workflow", "workflow"],
  ["step", "step"],
  ["wait", "waiting"],
] as const;

/** What stays as it is is not drawn again for each event that comes. */
export const Waterfall = memo(function Waterfall({ layout, chosen, onChoose }: Props) {
  const press = (event: KeyboardEvent<HTMLElement>) => {
    const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
    const rows = [...event.currentTarget.querySelectorAll<HTMLElement>("[data-row]")];
    const at = rows.indexOf(event.target as HTMLElement);
    if (!step || at < 0) return;
    event.preventDefault();
    event.stopPropagation();
    rows[at + step]?.focus();
  };
  const kinds = new Set(layout.lines.map((it) => (it.kind === "approval" ? "wait" : it.kind)));
  return (
    <div className={s.fall}>
      <div className={s.tools}>
        <div className={s.legend}>
          {LEGEND.filter(([kind]) => kinds.has(kind)).map(([kind, word]) => (
            <span key={kind}>
              <i
                className={cx(s[kind], lookOf(kind) && s[lookOf(kind) ?? ""])}
                style={{ background: lookOf(kind) ? undefined : "var(--c)" }}
              />
              {word}
            </span>
          ))}
        </div>
      </div>
      <div role="treegrid" aria-label="Waterfall" onKeyDown={press}>
        <div role="row" className={cx(s.line, s.headline)}>
          <span role="columnheader" className={s.seq}>
            #
          </span>
          <span role="columnheader">Span</span>
          <span role="columnheader" className={s.track}>
            <span className="vh">Time</span>
            <span className={s.area} aria-hidden>
              {layout.ticks.map((it) => (
                <span key={it.at} className={s.tick} style={{ "--x": percent(it.at) } as object}>
                  {it.label}
                </span>
              ))}
            </span>
          </span>
          <span role="columnheader" className={cx("num", s.tokens)}>
            Tokens
          </span>
        </div>
        {layout.lines.map((it) => (
          <Row
            key={it.id}
            line={it}
            isChosen={it.id === chosen}
            onChoose={() => onChoose(it.id === chosen ? undefined : it.id)}
          />
        ))}
      </div>
    </div>
  );
});

const lookOf = (kind: string) =>
  kind === "agent" || kind === "workflow" || kind === "step"
    ? "holds"
    : kind === "wait"
      ? "waits"
      : undefined;

function Row({ line, isChosen, onChoose }: { line: Line; isChosen: boolean; onChoose: () => void }) {
  const isBroken = ["failed", "unknown", "rejected", "timed_out", "interrupted"].includes(line.status);
  return (
    <div
      role="row"
      data-row
      tabIndex={0}
      aria-level={line.depth + 1}
      aria-selected={isChosen}
      className={s.line}
      onClick={onChoose}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        onChoose();
      }}
    >
      <span role="gridcell" className={s.seq}>
        {line.seq}
      </span>
      <span role="gridcell" className={s.name} style={{ "--d": line.depth } as object}>
        <KindMark kind={line.kind} label={line.kind} />
        <b dir="auto">{line.name}</b>
        {isBroken && (
          <span className={cx("small row", s.broken)}>
            <Icon name="octagon-x" small /> {line.status.replace("_", " ")}
          </span>
        )}
      </span>
      <span role="gridcell" className={s.track}>
        <span className={s.area}>
          <span
            className={cx(s.bar, s[line.kind], line.look !== "acts" && s[line.look])}
            style={{ "--x": percent(line.from), "--w": percent(line.width) } as object}
          />
          <span className={s.took} style={{ "--x": percent(line.from + line.width) } as object}>
            {line.tookMs === null ? "…" : duration(line.tookMs)}
          </span>
        </span>
      </span>
      <span role="gridcell" className={cx("num dim", s.tokens)}>
        {line.tokens ? tokens(line.tokens) : ""}
      </span>
    </div>
  );
}

const percent = (share: number) => `${(100 * share).toFixed(2)}%`;
