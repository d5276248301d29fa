import { useSyncExternalStore } from "react";

const NARROW = "(max-width: 760px)";

/** Whether the screen is so narrow that there is one column. */
export const useNarrow = () =>
  useSyncExternalStore(
    (changed) => {
      const query = matchMedia(NARROW);
      query.addEventListener("change", changed);
      return () => query.removeEventListener("change", changed);
    },
    () => matchMedia(NARROW).matches,
  );
