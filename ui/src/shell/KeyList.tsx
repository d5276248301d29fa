import { Button } from "../kit/Button";
import { Dialog } from "../kit/Messages";
import { Facts } from "../kit/Page";
import type { Place } from "./navigation";

/** All keys that there are, for who asks by `?`. */
export default function KeyList({ places, onClose }: { places: readonly Place[]; onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose} footer={<Button onClick={onClose}>Close</Button>}>
      <Facts
        facts={[
          ["Find or do anything", <kbd key="k">⌘ K</kbd>],
          ...places.map(
            (it) =>
              [
                it.label,
                <span key={it.to}>
                  <kbd>g</kbd> <kbd>{it.key}</kbd>
                </span>,
              ] as const,
          ),
          ["Search this page", <kbd key="s">/</kbd>],
          [
            "Next and previous row",
            <span key="j">
              <kbd>j</kbd> <kbd>k</kbd>
            </span>,
          ],
          [
            "Approve, deny",
            <span key="a">
              <kbd>a</kbd> <kbd>d</kbd>
            </span>,
          ],
        ]}
      />
    </Dialog>
  );
}
