import { type FormEvent, type ReactNode, useEffect, useRef } from "react";
import { type Failure, type Fault, failureOf } from "../api/problem";
import { Button } from "./Button";
import { cx } from "./cx";
import { sentence } from "./Field";
import { Icon } from "./Icon";
import type { IconName } from "./icons";
import s from "./Messages.module.css";

type Look = "plain" | "warn" | "bad" | "ok" | "live";
const NOTE_ICON: Record<Look, IconName> = {
  plain: "info",
  warn: "triangle-alert",
  bad: "octagon-x",
  ok: "circle-check",
  live: "info",
};

/** One per cause: what happened, why, and what to do. */
export function Note({
  look = "plain",
  title,
  children,
  action,
}: {
  look?: Look;
  title: ReactNode;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className={cx(s.note, s[look])} role={look === "bad" ? "alert" : undefined}>
      <Icon name={NOTE_ICON[look]} />
      <div>
        <b>{title}</b>
        {children && <div className="sub">{children}</div>}
      </div>
      {action && <div className={s.act}>{action}</div>}
    </div>
  );
}

/** What the server answered instead. `known`: pointers that a field beside shows already. */
export function ProblemNote({
  error,
  known = [],
  retry,
}: {
  error: unknown;
  known?: readonly string[];
  retry?: () => void;
}) {
  const failure = failureOf(error);
  const isShown = (pointer: string) => known.some((it) => pointer === it || pointer.startsWith(`${it}/`));
  const rest = failure.faults.filter((it) => !isShown(it.pointer));
  return (
    <Note
      look="bad"
      title={sentence(failure.title)}
      action={
        retry && (
          <Button small icon="refresh-cw" onClick={retry}>
            Read again
          </Button>
        )
      }
    >
      {rest.length > 0 && <FaultList faults={rest} />}
      {failure.scope && (
        <p>
          You do not hold <code>{failure.scope}</code>. Somebody who administers users or clients can give it
          to you.
        </p>
      )}
      {failure.page && (
        <p className="small under">
          <a href={failure.page} target="_blank" rel="noreferrer">
            What this means
          </a>
          {failure.requestId && (
            <>
              {" · request "}
              <code>{failure.requestId}</code>
            </>
          )}
        </p>
      )}
    </Note>
  );
}

/** What is wrong, and where. */
export const FaultList = ({ faults }: { faults: readonly Fault[] }) => (
  <ul>
    {faults.map((it) => (
      <li key={it.pointer + it.code}>
        <code>{it.pointer}</code> {sentence(it.detail)}
      </li>
    ))}
  </ul>
);

export type { Failure };

/** The ghost of a trace: what will be here, and one thing to do. */
export function Empty({
  title,
  children,
  action,
}: {
  title: string;
  children: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className={s.empty}>
      <svg className={s.trace} viewBox="0 0 220 64" aria-hidden>
        <rect x="0" y="6" width="120" height="6" rx="3" />
        <rect x="24" y="24" width="70" height="6" rx="3" />
        <rect x="62" y="42" width="96" height="6" rx="3" />
        {[178, 188, 198, 208].map((x) => (
          <circle key={x} cx={x} cy="45" r="1.5" />
        ))}
      </svg>
      <h2>{title}</h2>
      <p>{children}</p>
      {action}
    </div>
  );
}

/** The shape of a list that is on its way. */
export function Skeleton({ rows = 6 }: { rows?: number }) {
  return (
    <div role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className={s.skelrow}>
          {[90, 260 - (row % 3) * 40, 80].map((width, at) => (
            <span key={at} className={s.skel} style={{ width, maxWidth: "40%" }} />
          ))}
        </div>
      ))}
    </div>
  );
}

interface DialogProps {
  /** A question, or the result. */
  title: string;
  children?: ReactNode;
  /** The buttons; the last one does it. */
  footer: ReactNode;
  onClose: () => void;
  onSubmit?: () => void;
  /** Neither Escape nor a click beside closes it. */
  holds?: boolean;
}

/** A dialog that is open as long as it is drawn. */
export function Dialog({ title, children, footer, onClose, onSubmit, holds = false }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onSubmit?.();
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape is the key; a click beside it does the same
    <dialog
      ref={dialog}
      className={s.dialog}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        if (!holds) onClose();
      }}
      onClick={(event) => {
        if (event.target === dialog.current && !holds) onClose();
      }}
    >
      <form className={s.inner} onSubmit={submit}>
        <h2>{title}</h2>
        {children}
        <footer>{footer}</footer>
      </form>
    </dialog>
  );
}
