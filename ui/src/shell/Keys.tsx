import { useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { useMe } from "../api/me";
import { isTyping } from "../kit/keys";
import { placesFor } from "./navigation";

const KeyList = lazy(() => import("./KeyList"));

/** For so long the second key of `g a` is waited for. */
const CHORD_MS = 1200;

/** The keys of the whole server: ⌘K, `g` and a letter, `/`, `j`, `k`, `?`. None counts where somebody types. */
export function Keys({ onFind }: { onFind: () => void }) {
  const navigate = useNavigate();
  const places = placesFor(useMe().scopes);
  const [isShown, setShown] = useState(false);
  const chord = useRef(0);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        onFind();
        return;
      }
      if (isTyping(event) || event.metaKey || event.ctrlKey || event.altKey) return;
      const isChord = event.timeStamp - chord.current < CHORD_MS && chord.current > 0;
      chord.current = event.key === "g" ? event.timeStamp : 0;
      const place = isChord && places.find((it) => it.key === event.key);
      if (place) navigate({ to: place.to });
      else if (event.key === "/")
        focus(event, document.querySelector<HTMLElement>("main input[type=search]"));
      else if (event.key === "?") setShown(true);
      else if (event.key === "j" || event.key === "k") focus(event, neighbour(event.key === "j" ? 1 : -1));
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [navigate, onFind, places]);
  if (!isShown) return null;
  return (
    <Suspense>
      <KeyList places={places} onClose={() => setShown(false)} />
    </Suspense>
  );
}

function focus(event: KeyboardEvent, element: HTMLElement | null | undefined) {
  if (!element) return;
  event.preventDefault();
  element.focus();
}

/** The link of the row after or before the one that has the focus. */
function neighbour(step: 1 | -1): HTMLElement | undefined {
  const links = [
    ...document.querySelectorAll<HTMLElement>("main [data-row] a:first-of-type, main [data-row][tabindex]"),
  ];
  const at = links.indexOf(document.activeElement as HTMLElement);
  return links[at < 0 ? 0 : at + step];
}
