import { type ButtonHTMLAttributes, useEffect, useRef, useState } from "react";
import s from "./Button.module.css";
import { cx } from "./cx";
import { Icon } from "./Icon";
import type { IconName } from "./icons";

export type ButtonLook = "plain" | "primary" | "danger" | "destroy" | "quiet";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: ButtonLook;
  icon?: IconName;
  small?: boolean;
  /** Said instead of the children, and the button waits. */
  busy?: string | false | undefined;
}

/** The class of what looks like a button and is a link. */
export const buttonClass = (look: ButtonLook = "plain", small = false) => cx(s.btn, s[look], small && s.s);

/** A verb and its object. Without children it is an icon, and needs `aria-label`. */
export function Button({ look = "plain", icon, small = false, busy, children, ...rest }: Props) {
  return (
    <button
      type="button"
      title={children ? undefined : rest["aria-label"]}
      {...rest}
      disabled={rest.disabled || Boolean(busy)}
      className={cx(buttonClass(look, small), !children && s.icon, rest.className)}
    >
      {icon && <Icon name={icon} small={small} />}
      {busy || children}
    </button>
  );
}

/** Copies a text, and says so for a moment. */
export function Copy({ text, what }: { text: string; what: string }) {
  const [copied, setCopied] = useState(false);
  const timer = useRef<number>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    timer.current = window.setTimeout(() => setCopied(false), 1500);
  };
  const label = copied ? "Copied" : `Copy ${what}`;
  return (
    <button type="button" className={s.copy} aria-label={label} title={label} onClick={copy}>
      <Icon name={copied ? "check" : "copy"} small />
    </button>
  );
}
