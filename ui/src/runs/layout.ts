import type { RunEvent, Span } from "../api/types";
import { duration } from "../kit/format";
import type { Kind } from "../kit/Marks";

/** A line of the waterfall. Lengths are shares of the whole, from 0 to 1. */
export interface Line {
  id: string;
  seq: number;
  depth: number;
  kind: Kind;
  name: string;
  status: string;
  from: number;
  width: number;
  tookMs: number | null;
  tokens: number | null;
  /** Of the run that it is of. */
  runId: string;
  /** It contains others, or only waits. */
  look: "acts" | "holds" | "waits";
}

export interface Waterfall {
  lines: Line[];
  totalMs: number;
  ticks: { at: number; label: string }[];
}

/** A time in which the run went on only when somebody or something let it. */
export interface Wait {
  seq: number;
  from: number;
  to: number | null;
  what: string;
}

/** When the run waited, by its events. */
export function waitsOf(events: readonly RunEvent[]): Wait[] {
  const waits: Wait[] = [];
  for (const { type, seq, at, data } of events) {
    const last = waits.at(-1);
    const open = last?.to === null ? last : undefined;
    if (type === "run.waiting" && !open) {
      const first = (data.waiting_for as { kind?: string }[] | undefined)?.[0];
      // A child is a span of its own.
      if (first?.kind !== "child")
        waits.push({ seq, from: Date.parse(at), to: null, what: first?.kind ?? "something" });
    } else if (open && (type === "run.resumed" || type === "run.finished")) {
      open.to = Date.parse(at);
    }
  }
  return waits;
}

/** Puts the spans of a tree on one axis of time, parents before what they hold, in the order in which they began. */
export function waterfallOf(spans: readonly Span[], waits: readonly Wait[], now: number): Waterfall {
  const begun = spans.filter((it) => it.started_at).map((it) => Date.parse(it.started_at ?? ""));
  const start = Math.min(...begun, now);
  const endOf = (span: Span) =>
    span.started_at
      ? Date.parse(span.started_at) + (span.duration_ms ?? Math.max(now - Date.parse(span.started_at), 0))
      : start;
  const end = Math.max(...spans.map(endOf), ...waits.map((it) => it.to ?? now), start + 1);
  const totalMs = end - start;
  const share = (at: number) => Math.min(Math.max((at - start) / totalMs, 0), 1);

  const below = new Map<string | null, Span[]>();
  for (const span of spans) {
    const parent = span.parent_id ?? null;
    const others = below.get(parent);
    if (others) others.push(span);
    else below.set(parent, [span]);
  }
  const lines: Line[] = [];
  const draw = (span: Span, depth: number, run: string) => {
    const runId = span.kind === "run" ? span.id : run;
    const children = below.get(span.id) ?? [];
    const from = share(span.started_at ? Date.parse(span.started_at) : start);
    lines.push({
      id: span.id,
      seq: span.seq,
      depth,
      kind: span.kind !== "run" ? span.kind : children.some(isEntry) ? "workflow" : "agent",
      name: span.kind === "step" && !isEntry(span) ? `Turn ${span.name}` : span.name,
      status: span.status,
      from,
      width: share(endOf(span)) - from,
      tookMs: span.duration_ms ?? null,
      tokens: span.usage ? span.usage.input_tokens + span.usage.output_tokens : null,
      runId,
      look: span.kind === "run" || span.kind === "step" ? "holds" : "acts",
    });
    for (const it of children) draw(it, depth + 1, runId);
  };
  const root = spans.find((it) => !it.parent_id);
  if (root) draw(root, 0, root.id);
  for (const wait of waits) lines.push(waitingLine(wait, root?.id ?? "", share, now));
  return { lines: inOrder(lines, root?.id ?? ""), totalMs, ticks: ticksOf(totalMs) };
}

/** Steps of agents are turns, and have numbers; those of workflows are entries, and have names. */
const isEntry = ({ kind, name }: Span) => kind === "step" && !/^\d+$/.test(name);

function waitingLine(wait: Wait, runId: string, share: (at: number) => number, now: number): Line {
  const from = share(wait.from);
  const end = wait.to ?? now;
  return {
    id: `wait-${wait.seq}`,
    seq: wait.seq,
    depth: 1,
    kind: wait.what === "approval" ? "approval" : "wait",
    name: `Waited for ${wait.what}`,
    status: wait.to === null ? "running" : "done",
    from,
    width: share(end) - from,
    tookMs: wait.to === null ? null : wait.to - wait.from,
    tokens: null,
    runId,
    look: "waits",
  };
}

/** Puts waiting between the spans of the run that waited: before the first that began later. */
function inOrder(lines: Line[], root: string): Line[] {
  const waits = lines.filter((it) => it.look === "waits");
  const ordered = lines.filter((it) => it.look !== "waits");
  for (const wait of waits) {
    const later = ordered.findIndex((it) => it.runId === root && it.depth === 1 && it.seq > wait.seq);
    ordered.splice(later < 0 ? ordered.length : later, 0, wait);
  }
  return ordered;
}

/** At most seven marks of the axis, at round times. */
export function ticksOf(totalMs: number): { at: number; label: string }[] {
  const rough = totalMs / 6;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const step = [1, 2, 5, 10].map((it) => it * power).find((it) => it >= rough) ?? rough;
  const ticks = [];
  for (let at = 0; at < totalMs * 0.97; at += step)
    ticks.push({ at: at / totalMs, label: at === 0 ? "0" : duration(at) });
  return ticks;
}

/** How long models, tools and searches of a run worked, and how long it waited. */
export function sharesOf(
  spans: readonly Span[],
  waits: readonly Wait[],
  now: number,
): [what: string, ms: number][] {
  const sum = (kind: Span["kind"]) =>
    spans.filter((it) => it.kind === kind).reduce((ms, it) => ms + (it.duration_ms ?? 0), 0);
  const waited = waits.reduce((ms, it) => ms + (it.to ?? now) - it.from, 0);
  const shares: [string, number][] = [
    ["waiting", waited],
    ["in models", sum("model")],
    ["in tools", sum("tool")],
    ["searching", sum("retrieval")],
  ];
  return shares.filter(([, ms]) => ms > 0).sort(([, a], [, b]) => b - a);
}
