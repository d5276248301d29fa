import type { IconName } from "./icons";

/** A drawing beside a word; alone it needs `label`. */
export function Icon({ name, small, label }: { name: IconName; small?: boolean; label?: string }) {
  const said = label ? { role: "img", "aria-label": label } : { "aria-hidden": true };
  return (
    <svg className={small ? "i s" : "i"} {...said}>
      <use href={`#i-${name}`} />
    </svg>
  );
}
