import type { Page, TestInfo } from "@playwright/test";

/** What a page took of the processor and of the eye, from one moment to another. */
export interface Taken {
  seconds: number;
  /** Of the main thread, in seconds of the processor: what others do on this machine is not in it. */
  cpu: number;
  /** What of it went into what, in seconds. */
  parts: Readonly<Record<(typeof PARTS)[number], number>>;
  /** Times between two frames, in milliseconds. */
  frames: readonly number[];
  /** The longest task, in milliseconds by the clock. */
  longestTask: number;
}

const PARTS = ["ScriptDuration", "RecalcStyleDuration", "LayoutDuration"] as const;

/** Begins to measure; what is given ends it. */
export async function measure(page: Page): Promise<() => Promise<Taken>> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  const look = async () => {
    const { metrics } = await devtools.send("Performance.getMetrics");
    return (name: string) => metrics.find((it) => it.name === name)?.value ?? 0;
  };
  await page.evaluate(() => {
    const seen = { frames: [] as number[], tasks: [] as number[], isOn: true };
    new PerformanceObserver((list) => {
      for (const it of list.getEntries()) seen.tasks.push(it.duration);
    }).observe({ type: "longtask" });
    let before = performance.now();
    const frame = (now: number) => {
      seen.frames.push(now - before);
      before = now;
      if (seen.isOn) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    Object.assign(globalThis, { seen });
  });
  const [began, before] = [Date.now(), await look()];
  return async () => {
    const [after, ended] = [await look(), Date.now()];
    const taken = (name: string) => after(name) - before(name);
    const parts = Object.fromEntries(PARTS.map((it) => [it, taken(it)])) as Taken["parts"];
    const seen = await page.evaluate(() => {
      const { seen } = globalThis as unknown as {
        seen: { frames: number[]; tasks: number[]; isOn: boolean };
      };
      seen.isOn = false;
      return { frames: seen.frames.slice(1), longestTask: Math.max(0, ...seen.tasks) };
    });
    await devtools.detach();
    return { seconds: (ended - began) / 1000, cpu: taken("TaskDuration"), parts, ...seen };
  };
}

/** Says what was measured: in the report, and where the test runs. */
export function report(info: TestInfo, what: string, { seconds, cpu, parts, frames, longestTask }: Taken) {
  const late = frames.filter((it) => it > 50).length;
  const figures = [
    `${seconds.toFixed(1)} s`,
    `main thread busy ${((100 * cpu) / seconds).toFixed(0)} %`,
    PARTS.map((it) => `${it} ${((100 * parts[it]) / cpu).toFixed(0)} %`).join(", "),
    `${frames.length} frames (${(frames.length / seconds).toFixed(0)} per second)`,
    `${late} of them later than 50 ms`,
    `longest task ${longestTask.toFixed(0)} ms`,
  ].join(", ");
  info.annotations.push({ type: what, description: figures });
  process.stdout.write(`    ${what}: ${figures}\n`);
}
