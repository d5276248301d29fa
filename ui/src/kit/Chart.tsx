import type { PointerEvent, ReactNode } from "react";
import s from "./Chart.module.css";
import { cx } from "./cx";
import { barsOf, HEIGHT, lineOf, roundUp, ticksOf, WIDTH } from "./plot";

/** What a chart draws: bars with what was bad at their feet, or a line with a second one. */
export type Series =
  | { kind: "bars"; values: readonly number[]; bad?: readonly number[] }
  | { kind: "lines"; values: readonly (number | null)[]; second: readonly (number | null)[] };

interface Props {
  title: string;
  /** The figure that stands for all, or that of the step under the pointer. */
  figure: ReactNode;
  legend?: readonly (readonly [look: "plain" | "bad" | "one" | "two", word: string])[];
  series: Series;
  /** How a value is written. */
  write: (value: number) => string;
  /** What is to be seen, in a sentence. */
  label: string;
  /** The step under the pointer, which all charts of a page share. */
  at: number | null;
  onAt: (at: number | null) => void;
}

/** One row of charts that share their time. */
export function Chart({ title, figure, legend, series, write, label, at, onAt }: Props) {
  const steps = series.values.length;
  const bad = series.kind === "bars" ? (series.bad ?? []) : [];
  const all: (number | null)[] =
    series.kind === "bars"
      ? series.values.map((value, step) => value + (bad[step] ?? 0))
      : [...series.values, ...series.second];
  const max = roundUp(Math.max(0, ...all.map((it) => it ?? 0)));
  const move = (event: PointerEvent<SVGSVGElement>) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    const step = Math.floor(((event.clientX - left) / width) * steps);
    onAt(step >= 0 && step < steps ? step : null);
  };
  return (
    <div className={s.chart}>
      <div>
        <h3>{title}</h3>
        <div className={s.big}>{figure}</div>
        {legend && (
          <div className={s.legend}>
            {legend.map(([look, word]) => (
              <span key={word}>
                <i className={cx(s[look])} />
                {word}
              </span>
            ))}
          </div>
        )}
      </div>
      <div className={s.plot}>
        <span className={s.max} aria-hidden>
          {write(max)}
        </span>
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={label}
          onPointerMove={move}
          onPointerLeave={() => onAt(null)}
        >
          <path className={s.grid} d={`M0 .5H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT}H${WIDTH}`} />
          {at !== null && (
            <rect className={s.cross} x={(at * WIDTH) / steps} width={WIDTH / steps} height={HEIGHT} />
          )}
          {series.kind === "bars" ? (
            <>
              {barsOf(series.values, max, bad).map((it) => (
                <rect key={it.x} className={s.bar} {...it} />
              ))}
              {barsOf(bad, max).map((it) => (
                <rect key={it.x} className={cx(s.bar, s.bad)} {...it} />
              ))}
            </>
          ) : (
            <>
              <path className={s.second} d={lineOf(series.second, max)} />
              <path className={s.line} d={lineOf(series.values, max)} />
            </>
          )}
        </svg>
      </div>
    </div>
  );
}

/** The times under a stack of charts. */
export function TimeAxis({ from, to }: { from: string; to: string }) {
  return (
    <div className={s.axis} aria-hidden>
      {ticksOf(new Date(from), new Date(to)).map((it) => (
        <span key={it.x} style={{ "--x": `${it.x}%` } as object}>
          {it.label}
        </span>
      ))}
    </div>
  );
}
