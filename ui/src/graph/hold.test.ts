import { beforeEach, expect, test, vi } from "vitest";
import { whileHeld } from "./hold";

let page: EventTarget;
beforeEach(() => {
  page = new EventTarget();
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
});
const tell = (type: string, buttons = 1) => page.dispatchEvent(Object.assign(new Event(type), { buttons }));

test("a mouse is followed until it is let go", () => {
  const [move, end] = [vi.fn(), vi.fn()];
  whileHeld(move, end);
  tell("pointermove");
  tell("pointermove");
  tell("pointerup", 0);
  tell("pointermove");
  expect(move).toHaveBeenCalledTimes(2);
  expect(end).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ type: "pointerup" }));
});

test("it is not followed after it was let go unseen, or was taken away", () => {
  for (const [type, buttons] of [
    ["pointermove", 0],
    ["pointercancel", 1],
  ] as const) {
    const [move, end] = [vi.fn(), vi.fn()];
    whileHeld(move, end);
    tell(type, buttons);
    tell("pointermove");
    expect(move).not.toHaveBeenCalled();
    expect(end).toHaveBeenCalledExactlyOnceWith(null);
  }
});
