import type { ReactNode } from "react";
import type { Status } from "../api/types";
import { cx } from "./cx";
import { Icon } from "./Icon";
import type { IconName } from "./icons";
import s from "./Marks.module.css";

const STATUS: Record<Status, readonly [icon: IconName, word: string]> = {
  queued: ["circle-dashed", "Queued"],
  running: ["loader-circle", "Running"],
  waiting: ["hourglass", "Waiting"],
  suspended: ["circle-pause", "Suspended"],
  succeeded: ["check", "Succeeded"],
  failed: ["octagon-x", "Failed"],
  canceled: ["ban", "Canceled"],
  timed_out: ["timer-off", "Timed out"],
};

export const STATUSES = Object.keys(STATUS) as Status[];
export const statusWord = (status: Status) => STATUS[status]?.[1] ?? status;

/** Shape first, colour second, word always. */
export function StatusMark({ status, more }: { status: Status; more?: string }) {
  const [icon, word] = STATUS[status] ?? (["circle-dashed", status] as const);
  return (
    <span className={cx(s.st, s[status])}>
      <Icon name={icon} />
      <span>
        {word}
        {more && ` ${more}`}
      </span>
    </span>
  );
}

export type Kind =
  | "model"
  | "tool"
  | "retrieval"
  | "agent"
  | "step"
  | "workflow"
  | "wait"
  | "approval"
  | "mapping"
  | "parallel"
  | "conditional"
  | "foreach"
  | "loop"
  | "sleep"
  | "event"
  | "script"
  | "fail";

const KIND: Record<Kind, readonly [icon: IconName, look: string]> = {
  model: ["cpu", "model"],
  tool: ["wrench", "tool"],
  retrieval: ["text-quote", "retrieval"],
  agent: ["bot", "agent"],
  step: ["square", "step"],
  workflow: ["workflow", "step"],
  wait: ["hourglass", "wait"],
  approval: ["stamp", "wait"],
  mapping: ["arrow-right-left", "step"],
  parallel: ["git-branch", "step"],
  conditional: ["split", "step"],
  foreach: ["list", "step"],
  loop: ["repeat", "step"],
  sleep: ["clock", "wait"],
  event: ["zap", "wait"],
  script: ["code-xml", "tool"],
  fail: ["circle-x", "step"],
};

export function KindMark({ kind, label }: { kind: Kind; label?: string }) {
  const [icon, look] = KIND[kind];
  return (
    <span className={cx(s.kd, s[look])}>
      <Icon name={icon} {...(label ? { label } : {})} />
    </span>
  );
}

/** A short fact; coloured only for an outcome. */
export function Tag({
  look,
  icon,
  children,
}: {
  look?: "ok" | "warn" | "bad" | "live" | "line";
  icon?: IconName;
  children: ReactNode;
}) {
  return (
    <span className={cx(s.tag, look && s[look])}>
      {icon && <Icon name={icon} />}
      {children}
    </span>
  );
}

export function Avatar({ name }: { name: string }) {
  const words = name
    .trim()
    .split(/[\s._@-]+/)
    .filter(Boolean);
  const letters = words
    .slice(0, 2)
    .map((it) => [...it][0]?.toUpperCase())
    .join("");
  return (
    <span className={s.avatar} aria-hidden>
      {letters || "?"}
    </span>
  );
}
