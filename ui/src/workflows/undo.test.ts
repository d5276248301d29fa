import { expect, test } from "vitest";
import type { Entry } from "../graph/entry";
import { put, remove, shift } from "./change";
import { putBack, takenBack } from "./undo";

const step = (id: string, more: Entry = {}): Entry => ({ id, type: "mapping", output: 1, ...more });
const BEFORE = {
  name: "letters",
  steps: [
    step("a"),
    { id: "each", type: "foreach", do: [step("b", { compensate: step("undo") })] },
  ] as Entry[],
};
const with_ = (steps: readonly Entry[]) => ({ ...BEFORE, steps: steps as Entry[] });

test("one change is taken back, and all that was done elsewhere since stays", () => {
  const after = with_(put(BEFORE.steps, [1, "do", 0], { id: "b", type: "sleep", duration_ms: 1 }));
  const now = { ...with_(put(after.steps, [0, "output"], 2)), name: "other" };
  expect(takenBack(after, BEFORE, after)).toEqual(BEFORE);
  expect(takenBack(now, BEFORE, after)).toEqual({
    name: "other",
    steps: [step("a", { output: 2 }), BEFORE.steps[1]],
  });
});

test("what has been changed since, or is elsewhere now, is not put back", () => {
  const after = with_(put(BEFORE.steps, [1, "do", 0, "compensate"], undefined));
  expect(takenBack(with_(put(after.steps, [1, "do", 0, "output"], 2)), BEFORE, after)).toBeNull();
  expect(takenBack(with_(shift(after.steps, [1], -1)), BEFORE, after)).toBeNull();
  expect(takenBack(with_([]), BEFORE, after)).toBeNull();
});

test("an entry that was deleted goes back into its list, as long as there is one", () => {
  const [path, gone] = [[1, "do", 0], step("b")];
  const without = remove(BEFORE.steps, path);
  expect(putBack(put(without, [0, "output"], 2), path, gone)).toEqual([
    step("a", { output: 2 }),
    { id: "each", type: "foreach", do: [gone] },
  ]);
  for (const now of [[], [step("a")], put(without, [1], step("each"))])
    expect(putBack(now, path, gone)).toBeNull();
  const made = putBack(BEFORE.steps, [0, "compensate"], step("undo"));
  expect(made?.[0]).toEqual(step("a", { compensate: step("undo") }));
  expect(putBack(BEFORE.steps, [1, "do", 0, "compensate"], step("undo"))).toBeNull();
});
