import { useEffect, useLayoutEffect, useRef } from "react";

/** So near to its end a page counts as scrolled to it, in pixels. */
const NEAR = 24;

const top = () => document.documentElement.scrollTop;
const isAtEnd = () => innerHeight + top() > document.documentElement.scrollHeight - NEAR;

/** Stays at the end while text comes, unless somebody has scrolled up to read. */
export function useFollow(turns: unknown) {
  /** Where the page was left; `null`: somebody reads further up. */
  const left = useRef<number | null>(0);
  useEffect(() => {
    const look = () => {
      left.current = isAtEnd() ? top() : null;
    };
    addEventListener("scroll", look, { passive: true });
    return () => removeEventListener("scroll", look);
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever something was said
  useLayoutEffect(() => {
    // Text may come between the scrolling and the event that tells of it. A page that got shorter was not scrolled.
    if (left.current === null || (top() < left.current && !isAtEnd())) {
      left.current = null;
      return;
    }
    scrollTo({ top: document.documentElement.scrollHeight });
    left.current = top();
  }, [turns]);
}
