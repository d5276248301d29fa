/**
 * Follows a mouse from a press to where it is let go: `end` is given that, or `null` if nobody saw it, as when it happens
 * outside of the window.
 */
export function whileHeld(move: (to: PointerEvent) => void, end: (at: PointerEvent | null) => void) {
  const moved = (to: PointerEvent) => (to.buttons === 0 ? over(null) : move(to));
  const released = (at: PointerEvent) => over(at);
  const canceled = () => over(null);
  const over = (at: PointerEvent | null) => {
    removeEventListener("pointermove", moved);
    removeEventListener("pointerup", released);
    removeEventListener("pointercancel", canceled);
    end(at);
  };
  addEventListener("pointermove", moved);
  addEventListener("pointerup", released);
  addEventListener("pointercancel", canceled);
}
