import { createContext, type ReactNode, useCallback, useContext, useMemo, useRef, useState } from "react";
import s from "./Messages.module.css";

interface Toast {
  id: number;
  text: string;
  undo: (() => void) | undefined;
}

type Say = (text: string, undo?: () => void) => void;
const Context = createContext<Say>(() => {});
const SHOWN_MS = 8000;

/** Says what you just did, for 8 s. Errors stand where they arose, never here. */
export const useToast = () => useContext(Context);

export function Toasts({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const next = useRef(0);
  const drop = useCallback((id: number) => setToasts((all) => all.filter((it) => it.id !== id)), []);
  const say: Say = useCallback(
    (text, undo) => {
      const id = next.current++;
      setToasts((all) => [...all.slice(-2), { id, text, undo }]);
      setTimeout(() => drop(id), SHOWN_MS);
    },
    [drop],
  );
  const shown = useMemo(
    () => (
      <div className={s.toasts} role="status" aria-live="polite">
        {toasts.map((it) => (
          <div key={it.id} className={s.toast}>
            <span className="grow">{it.text}</span>
            {it.undo && (
              <button
                type="button"
                onClick={() => {
                  it.undo?.();
                  drop(it.id);
                }}
              >
                Undo
              </button>
            )}
          </div>
        ))}
      </div>
    ),
    [toasts, drop],
  );
  return (
    <Context value={say}>
      {children}
      {shown}
    </Context>
  );
}
