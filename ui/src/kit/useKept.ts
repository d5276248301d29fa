import { useState } from "react";

/** A choice that this browser keeps. */
export function useKept(name: string): [isOn: boolean, set: (isOn: boolean) => void] {
  const [isOn, setOn] = useState(() => localStorage.getItem(name) === "yes");
  const set = (next: boolean) => {
    if (next) localStorage.setItem(name, "yes");
    else localStorage.removeItem(name);
    setOn(next);
  };
  return [isOn, set];
}
