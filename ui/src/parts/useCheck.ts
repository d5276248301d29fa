import { useEffect, useRef, useState } from "react";
import type { Fault } from "../api/problem";

/** After so long without a change it is asked. */
const PAUSE_MS = 500;

/** What would be wrong with a body if it were saved: asked when nothing was typed for a while. `null`: nobody knows. */
export function useCheck<B>(
  body: B | null,
  check: ((body: B) => Promise<readonly Fault[]>) | undefined,
): readonly Fault[] | null {
  const [found, setFound] = useState<readonly Fault[] | null>(null);
  const asking = useRef(check);
  asking.current = check;
  useEffect(() => {
    const ask = asking.current;
    if (body === null || !ask) return setFound(null);
    let isOld = false;
    const timer = setTimeout(() => {
      ask(body).then(
        (faults) => isOld || setFound(faults),
        // What cannot be asked is said when it is saved.
        () => isOld || setFound(null),
      );
    }, PAUSE_MS);
    return () => {
      isOld = true;
      clearTimeout(timer);
    };
  }, [body]);
  return found;
}
