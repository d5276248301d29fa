/** The height and width of a chart in its own units; it is stretched to the room there is. */
export const WIDTH = 900;
export const HEIGHT = 76;

/** A round number not below `max`, for the upper edge of a chart: 1, 2 or 5 times a power of ten. */
export function roundUp(max: number): number {
  if (!(max > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(max));
  const factor = [1, 2, 5, 10].find((it) => it * power >= max * (1 - 1e-9)) ?? 10;
  // Without the tail that a power of ten below one has.
  return Number((factor * power).toPrecision(12));
}

export interface Bar {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A bar for each value, standing on what is `below` it. What is nothing has none. */
export function barsOf(values: readonly number[], max: number, below: readonly number[] = []): Bar[] {
  const step = WIDTH / Math.max(values.length, 1);
  return values.flatMap((value, at) => {
    if (value <= 0) return [];
    const height = Math.max((value / max) * HEIGHT, 1);
    const y = HEIGHT - ((below[at] ?? 0) / max) * HEIGHT - height;
    return [{ x: at * step + step * 0.1, y, width: step * 0.8, height }];
  });
}

/** A line through the middles of the steps that have a value; a step without one breaks it. A lone value is a dash. */
export function lineOf(values: readonly (number | null)[], max: number): string {
  const step = WIDTH / Math.max(values.length, 1);
  let path = "";
  values.forEach((value, at) => {
    if (value === null) return;
    const y = (HEIGHT - (value / max) * HEIGHT).toFixed(1);
    const isAlone = (values[at - 1] ?? null) === null;
    const x = isAlone ? at * step + step * 0.1 : (at + 0.5) * step;
    path += `${isAlone ? "M" : "L"}${x.toFixed(1)} ${y}`;
    if ((values[at + 1] ?? null) === null) path += `H${((at + 0.9) * step).toFixed(1)}`;
  });
  return path;
}

/** The times that are written under a chart, with how far from its left edge in percent. */
export function ticksOf(from: Date, to: Date, count = 4): { label: string; x: number }[] {
  const length = to.getTime() - from.getTime();
  const isLong = length > 36 * 3_600_000;
  return Array.from({ length: count }, (_, at) => {
    const x = at / count;
    const time = new Date(from.getTime() + length * x);
    const label = isLong
      ? time.toLocaleDateString("en-GB", { day: "numeric", month: "short" })
      : time.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    return { label, x: x * 100 };
  });
}
